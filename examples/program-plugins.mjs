import { createGateway, definePlugin } from 'sluice';

// What the program knows: a plugin that is an object may use it.
const tenants = new Map([['acme', { plan: 'gold' }]]);
let served = 0;

const tenantPlan = definePlugin({
  name: 'tenant-plan',
  setup: () => ({
    onRequest(request) {
      const tenant = tenants.get(request.header('x-tenant'));
      if (tenant === undefined) return { status: 403, body: 'unknown tenant' };
      request.setHeader('x-plan', tenant.plan);
    },
    onFinish() {
      served += 1;
    },
  }),
});

const gateway = createGateway({
  listen: { port: 0 }, // a free port
  admin: { port: 0 },
  logging: { level: 'warn', accessLog: false },
  plugins: [{ name: 'plan', plugin: tenantPlan, budget: { wait: '200ms' } }],
  upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
  routes: [{ name: 'api', match: { path: '/*' }, upstream: 'api', plugins: ['plan'] }],
});

await gateway.start();
const { host, port } = gateway.address;
const reply = await fetch(`http://${host}:${port}/orders`);
console.log(reply.status, await reply.text()); // 403 unknown tenant
await gateway.stop(); // lets requests in flight finish
console.log(served); // 1
