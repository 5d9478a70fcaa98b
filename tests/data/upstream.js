// An upstream for tests/server/proxying/: echo, events, and a WebSocket that sends back what it gets.
const http = require("http");
const crypto = require("crypto");

const server = http.createServer((request, response) => {
  const path = request.url.split("?")[0];
  if (path === "/api/echo") {
    response.writeHead(200, { "X-Method": request.method });
    request.pipe(response);
  } else if (path === "/api/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: first\n\n");
    const timer = setInterval(() => response.write("data: next\n\n"), 20);
    request.on("close", () => clearInterval(timer));
  } else {
    if (path.startsWith("/api/x")) response.setHeader("Set-Cookie", ["a=b; Domain=api.example; Secure", "c=d; Path=/"]);
    response.setHeader("Location", `http://127.0.0.1:${server.address().port}/api/there`);
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  }
});
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = crypto.createHash("sha1").update(key).digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let buffer = Buffer.alloc(0);
  socket.on("data", (data) => {
    buffer = Buffer.concat([buffer, data]);
    while (buffer.length >= 6 && buffer.length >= 6 + (buffer[1] & 127)) {
      const size = buffer[1] & 127; // the tests send short frames
      const payload = Buffer.from(buffer.subarray(6, 6 + size).map((byte, i) => byte ^ buffer[2 + (i % 4)]));
      socket.write(Buffer.concat([Buffer.from([buffer[0], size]), payload]));
      buffer = buffer.subarray(6 + size);
    }
  });
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
