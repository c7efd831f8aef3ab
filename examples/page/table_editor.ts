/// <reference lib="dom" />
import { byId, show } from "./dom.ts";
import { editorOf } from "./editor.ts";
import { type Experiment, type Learner, order } from "./experiment.ts";
import { graphOf } from "./graph.ts";
import { readerOf, type Reading } from "./reader.ts";
import { type ModelName, tables } from "./tables.ts";

/** The milliseconds after which a table that is still being read is said to be. */
const long = 500;

/** Answers the editor of tables, whose code is read in a worker of each model. */
export function listenToCode(experiment: Experiment): void {
  const { learners, draw } = experiment;
  const shown = () => learners.find(({ name }) => name === experiment.shown)!;
  const readers = new Map(learners.map(({ name }) => [name, readerOf(reading)]));
  const editor = editorOf(byId<HTMLTextAreaElement>("code"), (code) => void edit(code));
  const message = byId("code-message");
  const news = () => {
    const { wrong, failure, parameters } = shown();
    const fault = wrong || failure;
    editor.mark(fault !== "");
    show(message, fault || `${parameters.toLocaleString("en")} parameters`, fault !== "");
  };
  const edit = async (code: string) => {
    const learner = shown();
    learner.code = code;
    const timer = setTimeout(() => learner === shown() && show(message, "Reading the table"), long);
    const reading = await readers.get(learner.name)!(code);
    clearTimeout(timer);
    if (reading === undefined) return; // the code has changed
    const isNew = readAs(learner, reading);
    if (isNew && experiment.phase !== "new") order(experiment, learner);
    news();
    draw();
  };
  const open = () => {
    editor.set(shown().code);
    news();
    draw();
  };
  document.querySelectorAll<HTMLInputElement>('#which input[type="radio"]').forEach((radio) =>
    radio.addEventListener("change", () => {
      editor.flush(); // what was typed a moment ago belongs to the model before
      experiment.shown = radio.value as ModelName;
      open();
    })
  );
  byId("restore").addEventListener("click", () => {
    editor.set(tables[experiment.shown]);
    void edit(tables[experiment.shown]);
  });
  experiment.news = news;
  open();
}

/** Takes the model that was read, or what is wrong; returns true if the model is another one. */
function readAs(learner: Learner, reading: Reading): boolean {
  if ("wrong" in reading) {
    learner.wrong = reading.wrong;
    return false;
  }
  const { spec, parameters } = reading;
  learner.wrong = "";
  if (learner.failure === "" && JSON.stringify(learner.spec) === JSON.stringify(spec)) return false;
  learner.picture = graphOf(learner.name, spec);
  learner.spec = spec;
  learner.parameters = parameters;
  learner.gates = {};
  return true;
}

function reading(): Worker {
  return new Worker(new URL("code_worker.js", import.meta.url), { type: "module", name: "code" });
}
