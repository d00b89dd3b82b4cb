// aimock with the vendors' names in front of its paths, as the proxy has them: node aimock.mjs FOLDER FIXTURES
// Prints the port that it took.
import { once } from "node:events";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [folder, fixtures] = process.argv.slice(2);
const program = `${folder}/node_modules/@copilotkit/aimock/dist/index.js`;
const { createServer: createAimock, loadFixtureFile } = await import(pathToFileURL(program));
const options = { port: 0, host: "127.0.0.1", latency: 5, logLevel: "warn" };
const { server: aimock } = await createAimock(loadFixtureFile(fixtures), options);

const VENDOR = /^\/(openai|anthropic|gemini|ollama|bedrock)(?=\/|$)/;
const server = createServer();
for (const event of ["request", "upgrade"]) {
  server.on(event, (asked, ...rest) => {
    asked.url = asked.url.replace(VENDOR, "") || "/";
    aimock.emit(event, asked, ...rest);
  });
}
server.listen(0, "127.0.0.1");
await once(server, "listening");
console.log(server.address().port);
