// Renders the OpenAPI document. Everything is set as text: nothing of it is ever parsed as HTML.

const source = await (await fetch("/openapi.json")).json();
const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolve(schema) {
  const reference = schema?.$ref;
  return reference ? source.components.schemas[reference.split("/").pop()] : schema;
}

/** Return an example value of a schema. */
function example(schema, depth = 0) {
  const shape = resolve(schema) ?? {};
  if (shape.examples?.length) return shape.examples[0];
  if (shape.example !== undefined) return shape.example;
  if (shape.default !== undefined && shape.default !== null) return shape.default;
  if (shape.enum) return shape.enum[0];
  if (shape.anyOf) return example(shape.anyOf[0], depth);
  if (depth > 5) return null;
  if (shape.type === "array") return [example(shape.items, depth + 1)];
  if (shape.type === "object" || shape.properties) {
    const entries = Object.entries(shape.properties ?? {});
    return Object.fromEntries(entries.map(([name, inner]) => [name, example(inner, depth + 1)]));
  }
  return { string: "…", integer: 0, number: 0, boolean: true }[shape.type] ?? null;
}

/** Return what is given as examples of a body, or one made of its schema. */
function samples(json) {
  if (json.examples) return Object.values(json.examples);
  return [{ value: json.example ?? example(json.schema) }];
}

function listing(value) {
  return element("pre", { tabindex: "0" }, code(JSON.stringify(value, null, 2)));
}

/** A group and not a region: a page with a landmark for each table would be hard to find one's way in. */
function table(name, headings, rows) {
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": name }, made);
}

function code(text) {
  return element("code", {}, text);
}

/** Return the text with what stands between backticks as code. */
function prose(text) {
  const made = document.createDocumentFragment();
  text.split("`").forEach((piece, index) => made.append(index % 2 ? code(piece) : piece));
  return made;
}

/** Return the path so that a narrow column breaks it before a slash. */
function breakable(path) {
  const made = document.createDocumentFragment();
  for (const part of path.split(/(?=\/)/)) made.append(element("wbr"), part);
  return made;
}

function parameters(call) {
  if (!call.parameters?.length) return [];
  const rows = call.parameters.map((one) => [code(one.name), one.in, prose(one.description ?? one.schema?.enum?.join(", ") ?? "")]);
  return [element("h4", {}, "Parameters"), table("Parameters", ["name", "in", "what"], rows)];
}

function body(call) {
  const content = call.requestBody?.content;
  if (!content) return [];
  const parts = [element("h4", {}, "Body: " + Object.keys(content).join(", "))];
  const json = content["application/json"];
  for (const { summary, value } of json ? samples(json) : []) {
    if (summary) parts.push(element("p", {}, summary));
    parts.push(listing(value));
  }
  return parts;
}

function responses(call) {
  const rows = Object.entries(call.responses).map(([status, one]) => [code(status), prose(one.description ?? "")]);
  const parts = [element("h4", {}, "Answers"), table("Answers", ["status", "when"], rows)];
  for (const [status, one] of Object.entries(call.responses)) {
    const json = one.content?.["application/json"];
    if (!json || status >= "300") continue;
    parts.push(...samples(json).map(({ value }) => listing(value)));
    break;
  }
  return parts;
}

function article(path, method, call) {
  const id = `${method}-${path}`.replaceAll(/[^a-z0-9]+/gi, "-");
  const title = element("h3", {}, named(method), " ", code(breakable(path)));
  const what = element("p", {}, prose(call.summary ?? ""));
  const made = element("article", { id }, title, what, ...parameters(call), ...body(call), ...responses(call));
  return { made, link: element("a", { href: `#${id}` }, named(method), " ", breakable(path)) };
}

function named(method) {
  return element("span", { class: `method ${method}` }, method.toUpperCase());
}

const groups = new Map();
for (const [path, calls] of Object.entries(source.paths)) {
  for (const method of METHODS.filter((name) => calls[name])) {
    const tag = calls[method].tags?.[0] ?? "Other";
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push(article(path, method, calls[method]));
  }
}
document.getElementById("summary").replaceChildren(prose(source.info.description ?? ""));
for (const [tag, articles] of groups) {
  document.getElementById("contents").append(element("h2", {}, tag), ...articles.map((one) => one.link));
  document.getElementById("calls").append(element("h2", {}, tag), ...articles.map((one) => one.made));
}
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
