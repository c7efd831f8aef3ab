/** A program that is bundled: it writes the name of its engine. */
import { binary, compile, define } from "@gatehouse/gatehouse";

const { engine } = await compile(define({ input: 2, tasks: { a: binary() } }));
console.log(engine.name);
