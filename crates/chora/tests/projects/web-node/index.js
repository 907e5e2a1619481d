// A web service that says whether it is well, and counts its visitors.
const http = require("node:http");

let visits = 0;
const server = http.createServer((request, response) => {
  const healthy = request.url === "/health";
  visits += healthy ? 0 : 1;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(healthy ? { status: "ok" } : { visits }));
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
