// The gateway of the page: the core of the filter as WebAssembly, with the tables in it.

// Loads the core, and returns a function for each gateway of the page: `explain(method, url, headers)` returns
// `{explanation, table, route, changes}`, or `{error}`.
async function loadGateways() {
  const { Gateway } = wasm_bindgen;
  const compressed = Uint8Array.from(atob(byId('core-module').textContent), character => character.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream('gzip'));
  await wasm_bindgen({ module_or_path: await new Response(stream).arrayBuffer() });
  return [...document.querySelectorAll('.gateway')].map(element => {
    const gateway = new Gateway(element.textContent);
    return (method, url, headers) => {
      try {
        return JSON.parse(gateway.explain(method, url, headers));
      } catch (error) {
        return { error: String(error) };
      }
    };
  });
}
