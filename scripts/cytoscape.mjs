// Makes kgnb/render/explorer/cytoscape.min.js: cytoscape.js without what the explorer doesn't use. Layouts come
// from Python, paths from the page's own script, and WebGL draws only what is larger than a book.
//
//   cd $(mktemp -d) && npm install cytoscape@3.34.4 esbuild@0.28 heap lodash && node CHECKOUT/scripts/cytoscape.mjs
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = createRequire(path.join(process.cwd(), "node_modules", "x.js"));
const { build } = here("esbuild");
const root = path.join(process.cwd(), "node_modules", "cytoscape");
const { version } = here(path.join(root, "package.json"));
const target = path.join(path.dirname(fileURLToPath(import.meta.url)), "../kgnb/render/explorer/cytoscape.min.js");

const KEPT_LAYOUTS = ["preset", "grid", "null"];  // grid: cytoscape's own default
const replaced = {
  "collection/algorithms/index.mjs": "export default {};",
  "extensions/layout/index.mjs":
    KEPT_LAYOUTS.map((name, i) => `import l${i} from "./${name}.mjs";`).join("") +
    `export default [${KEPT_LAYOUTS.map((name, i) => `{ name: "${name}", impl: l${i} }`)}];`,
  "renderer/canvas/webgl/drawing-redraw-webgl.mjs": "export default {};",
};

const used = new Set();
await build({
  entryPoints: [path.join(root, "src/index.mjs")],
  outfile: target,
  bundle: true, minify: true,
  define: { "process.env": JSON.stringify({ NODE_ENV: "production", VERSION: version }) },
  format: "iife", globalName: "cytoscape", target: "es2018", legalComments: "none",
  banner: { js: `/*! cytoscape.js ${version}, MIT (cytoscape.LICENSE), made smaller by scripts/cytoscape.mjs */` },
  footer: { js: "cytoscape=cytoscape.default;" },
  plugins: [{
    name: "trim",
    setup(build) {
      build.onLoad({ filter: /\.mjs$/ }, ({ path: file }) => {
        const name = Object.keys(replaced).find((end) => file.endsWith(end));
        if (!name) return undefined;
        used.add(name);
        return { contents: replaced[name], loader: "js", resolveDir: path.dirname(file) };
      });
    },
  }],
});
if (used.size !== Object.keys(replaced).length) throw new Error(`only ${[...used]} were found to be replaced`);
