"""Prints what TensorBoard's reader finds in folders of event files: scalars by folder and tag, as [step, value]."""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

found = {}
for folder in sys.argv[1:]:
    events = EventAccumulator(folder, size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    found[folder] = {tag: [[at.step, at.value] for at in events.Scalars(tag)] for tag in tags}
print(json.dumps(found))
