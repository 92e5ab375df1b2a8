// SPDX-License-Identifier: Apache-2.0
// How Node's own http (llhttp) understands bytes. Each record of standard input is a kind (q: requests of one
// connection, a: an answer), a flag (1: to HEAD), two bytes, a length, and the bytes; one line of JSON answers
// each, with the messages that were taken and the code of what ended them.
import http from "node:http";
import net from "node:net";

const AT_A_TIME = 32;
const folder = process.argv[2];

function* records(input) {
  for (let at = 0; at < input.length; ) {
    const length = input.readUInt32LE(at + 4);
    yield { kind: String.fromCharCode(input[at]), flags: input[at + 1], data: input.subarray(at + 8, at + 8 + length) };
    at += 8 + length;
  }
}

const hex = (text) => Buffer.from(text, "latin1").toString("hex");

function pairs(raw) {
  const made = [];
  for (let i = 0; i < raw.length; i += 2) made.push([hex(raw[i]), hex(raw[i + 1])]);
  return made;
}

// Collects a message's body into `message`.
function collect(stream, message, then) {
  const parts = [];
  const note = () => {
    message.body = Buffer.concat(parts).toString("hex");
    message.complete = stream.complete;
  };
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => {
    note();
    then();
  });
  stream.on("error", () => {}); // a body that was cut: `complete` stays false
  stream.on("close", note);
}

// Requests: a server, and a client that sends the bytes and ends.
const told = new Map(); // of the server's end of a connection
const server = http.createServer({ maxHeaderSize: 1 << 20, keepAliveTimeout: 0, requestTimeout: 0 }, onRequest);

function onRequest(request, response) {
  const message = {
    method: hex(request.method),
    target: hex(request.url),
    headers: pairs(request.rawHeaders),
    old: request.httpVersion === "1.0",
    body: "",
    complete: false,
  };
  told.get(request.socket)?.messages.push(message);
  collect(request, message, () => response.writeHead(404, { "content-length": 0 }).end());
}

server.on("checkContinue", onRequest);
server.on("checkExpectation", onRequest);
server.on("clientError", (error, socket) => {
  const reading = told.get(socket);
  if (reading) reading.why ??= error.code ?? String(error);
  socket.destroy();
});

const path = `${folder}/node.sock`;
const waiting = []; // for the server's end of a connection, which has no name: one connects at a time
server.on("connection", (socket) => {
  told.set(socket, waiting.shift());
  socket.on("close", () => told.delete(socket));
});

function readRequests({ data }) {
  const reading = { messages: [] };
  waiting.push(reading);
  return new Promise((resolve) => {
    const socket = net.connect(path, () => socket.end(data));
    socket.resume();
    socket.on("error", () => {});
    socket.on("close", () => resolve(reading));
  });
}

// Answers: a client, and a server that sends the bytes and ends.
const answers = new Map();
const answering = net.createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", (head) => socket.end(answers.get(/ \/(\d+) /.exec(head.toString("latin1"))[1])));
});

function readAnswer({ flags, data }, number) {
  const reading = { messages: [] };
  answers.set(String(number), data);
  return new Promise((resolve) => {
    const request = http.request({
      socketPath: `${folder}/answer.sock`,
      path: `/${number}`,
      method: flags & 1 ? "HEAD" : "GET",
      maxHeaderSize: 1 << 20,
      agent: false,
    });
    const add = (response) => {
      const message = { status: response.statusCode, headers: pairs(response.rawHeaders), body: "", complete: false };
      reading.messages.push(message);
      return message;
    };
    request.on("information", (response) => {
      add(response).complete = true;
    });
    request.on("response", (response) => collect(response, add(response), () => {}));
    request.on("error", (error) => {
      reading.why ??= error.code ?? String(error);
    });
    request.on("close", () => resolve(reading));
    request.end();
  });
}

const input = [];
for await (const part of process.stdin) input.push(part);
const queue = [...records(Buffer.concat(input))];
await new Promise((resolve) => server.listen(path, resolve));
await new Promise((resolve) => answering.listen(`${folder}/answer.sock`, resolve));
const readings = new Array(queue.length);
let next = 0;
async function work() {
  while (next < queue.length) {
    const number = next++;
    const record = queue[number];
    readings[number] = await (record.kind === "q" ? readRequests(record) : readAnswer(record, number));
  }
}
await Promise.all(Array.from({ length: AT_A_TIME }, work));
for (const reading of readings) process.stdout.write(JSON.stringify(reading) + "\n");
server.close();
answering.close();
process.stdout.write("", () => process.exit(0));
