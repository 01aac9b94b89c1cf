import { createGateway, defineConfig } from 'sluice';

const gateway = createGateway(
  defineConfig({
    listen: { port: 0 }, // a free port
    admin: { port: 0 },
    logging: { level: 'warn', accessLog: false },
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [
      { name: 'api', match: { path: '/api/*' }, upstream: 'api' },
      { name: 'hello', match: { path: '/hello/:name' }, respond: { body: 'Hello ${params.name}' } },
    ],
  }),
);

await gateway.start();
const { host, port } = gateway.address;
const reply = await fetch(`http://${host}:${port}/hello/Ada`);
console.log(reply.status, await reply.text()); // 200 Hello Ada
await gateway.stop(); // lets requests in flight finish
