/**
 * Node's HTTP without what its ES module brings along: an import from `node:http` reads all that it exports, and one of
 * them loads undici, with its fetch and its WebSocket. A server uses neither, and would start later and be larger for it.
 */
const http = process.getBuiltinModule("node:http");

export const { createServer, request: httpRequest, STATUS_CODES } = http;
