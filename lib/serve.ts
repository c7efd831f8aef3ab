/**
 * Models that answer requests: a handler that speaks the Open Inference Protocol and TensorFlow Serving's predict API.
 *
 * @example A server of a folder of models
 * ```ts ignore
 * import { openModels, serve } from "@gatehouse/gatehouse/serve";
 *
 * const server = serve(await openModels("models"), { port: 8000, token: "secret" });
 * ```
 *
 * @module
 */
export { type Handler, handler } from "./serve/handler.ts";
export type { HandlerOptions, LogEntry } from "./serve/handler_options.ts";
export { type ModelChange, type Models, type ModelsOptions, openModels } from "./serve/folders.ts";
export { serve, type ServeOptions, type Server } from "./serve/serve.ts";
