// A model without Python behind it: it gives the answers that were stored in the page.
const { traits, answers, module } = JSON.parse(document.getElementById("data").textContent);

const bytesOf = (text) => {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return new DataView(bytes.buffer);
};

// The stored question that says the same of everything it says.
const answerTo = (message) => answers.find(({ question }) =>
  Object.entries(question).every(([key, value]) => JSON.stringify(message[key]) === JSON.stringify(value)));

const listeners = new Map();
const model = {
  offline: true,
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; },
  save_changes: () => {},
  on: (event, listener) => { listeners.set(event, [...(listeners.get(event) ?? []), listener]); },
  off: (event, listener) => {
    listeners.set(event, (listeners.get(event) ?? []).filter((one) => listener && one !== listener));
  },
  send: (message) => {
    const found = answerTo(message);
    const content = found
      ? { ...found.content, ask: message.ask }
      : { op: "error", of: message.op, ask: message.ask, code: "offline", message: "this page has no kernel to ask" };
    const buffers = (found?.buffers ?? []).map(bytesOf);
    queueMicrotask(() => (listeners.get("msg:custom") ?? []).forEach((listener) => listener(content, buffers)));
  },
};

const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
const widget = (await import(url)).default;
URL.revokeObjectURL(url);
await widget.render({ model, el: document.getElementById("widget") });
