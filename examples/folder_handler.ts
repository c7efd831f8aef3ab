import * as tf from "@tensorflow/tfjs";

/** Loads a GraphModel from a folder; in a browser its address is all that `tf.loadGraphModel` needs. */
export function folderHandler(folder: string): tf.io.IOHandler {
  return {
    load: async () => {
      const model: tf.io.ModelJSON = JSON.parse(await Deno.readTextFile(`${folder}/model.json`));
      return await tf.io.getModelArtifactsForJSON(model, async (manifest) => {
        const paths = manifest.flatMap((group) => group.paths);
        const shards = await Promise.all(paths.map((path) => Deno.readFile(`${folder}/${path}`)));
        return [manifest.flatMap((group) => group.weights), await new Blob(shards).arrayBuffer()];
      });
    },
  };
}
