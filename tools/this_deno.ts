/** Prints the path of the Deno that runs: what a task has to name to run no other program. */
console.log(Deno.execPath());
