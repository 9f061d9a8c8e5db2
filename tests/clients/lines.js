// A job a line in, an answer a line out.
import { createInterface } from "node:readline";

export async function serve(version, answer) {
  console.log(JSON.stringify({ version }));
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  }
}

// A fetch that writes down each path as it stands on the request line.
export function noting(paths) {
  return (input, init) => {
    const { pathname, search } = new URL(input);
    paths.push(pathname + search);
    return fetch(input, init);
  };
}
