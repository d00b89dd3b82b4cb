// One question to each of Node's SDKs, whole and streamed, without a word about where they are.
import { createRequire } from "node:module";

const { resolve } = createRequire(`${process.env.ARC_CLIENTS_LAB}/node-sdks/package.json`);
const { default: OpenAI } = await import(resolve("openai"));
const { default: Anthropic } = await import(resolve("@anthropic-ai/sdk"));
const { generateText, streamText } = await import(resolve("ai"));
const { openai } = await import(resolve("@ai-sdk/openai"));
const { anthropic } = await import(resolve("@ai-sdk/anthropic"));

const messages = [{ role: "user", content: "What is there to say?" }];
const prompt = messages[0].content;
const chat = { model: "gpt-5", messages };
const message = { model: "claude-sonnet-4-5", max_tokens: 64, messages };
const gpt = new OpenAI();
const claude = new Anthropic();

async function joined(pieces, text) {
  let whole = "";
  for await (const piece of pieces) whole += text(piece) ?? "";
  return whole;
}

const asked = {
  "openai chat": async () => (await gpt.chat.completions.create(chat)).choices[0].message.content,
  "openai chat, streamed": async () =>
    joined(await gpt.chat.completions.create({ ...chat, stream: true }), (it) => it.choices[0]?.delta.content),
  "openai responses": async () => (await gpt.responses.create({ model: "gpt-5", input: prompt })).output_text,
  "anthropic": async () => (await claude.messages.create(message)).content[0].text,
  "anthropic, streamed": async () => (await claude.messages.stream(message).finalMessage()).content[0].text,
  "vercel openai": async () => (await generateText({ model: openai("gpt-5"), prompt })).text,
  "vercel openai, streamed": async () =>
    joined(streamText({ model: openai.chat("gpt-5"), prompt }).textStream, (text) => text),
  "vercel anthropic": async () => (await generateText({ model: anthropic("claude-sonnet-4-5"), prompt })).text,
};
for (const [name, ask] of Object.entries(asked)) console.log(`${name}: ${await ask()}`);
