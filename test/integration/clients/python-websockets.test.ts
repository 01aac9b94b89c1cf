/** The library `websockets` of Python as a client and as a target, through the gateway. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClientFiles } from '../../support/client-files.js';
import { freePort } from '../../support/client-rig.js';
import { GatewayProcess } from '../../support/gateway-process.js';
import { pythonWith, runProgram, ServingProgram } from '../../support/programs.js';

const SERVER = `
import asyncio, sys, websockets
async def serve(ws, path):
    await ws.send(f'{path} {ws.subprotocol} {ws.request_headers.get("x-forwarded-proto")}')
    async for message in ws:
        if message == 'bye': await ws.close(4321, 'as you like')
        elif message == 'parts': await ws.send(['a', 'b' * 70000, 'c'])
        else: await ws.send(message)
async def main():
    async with websockets.serve(serve, '127.0.0.1', int(sys.argv[1]), subprotocols=['second'], max_size=None):
        await asyncio.Future()
asyncio.run(main())
`;

/** Says a line for each thing that it has seen. */
const CLIENT = `
import asyncio, os, ssl, sys, websockets
async def main():
    url, ca = sys.argv[1], sys.argv[2]
    more = {'ssl': ssl.create_default_context(cafile=ca)} if url.startswith('wss') else {}
    def open(path, **own): return websockets.connect(url + path, max_size=None, **more, **own)
    async with open('/hello?a=b', subprotocols=['first', 'second']) as ws:
        print(await ws.recv(), ws.subprotocol, [type(one).__name__ for one in ws.extensions])
        for message in ['text', 'ü' * 1000, b'bytes', os.urandom(3_000_000), '']:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(['in ', 'three ', 'parts'])
        assert await ws.recv() == 'in three parts'
        await ws.send('parts')
        assert len(await ws.recv()) == 70002
        await (await ws.ping(b'are you there'))
        many = [ws.send(str(at)) for at in range(500)]
        await asyncio.gather(*many)
        assert [await ws.recv() for at in range(500)] == [str(at) for at in range(500)]
        await ws.send('bye')
        try: await ws.recv()
        except websockets.ConnectionClosed as closed: print(closed.rcvd.code, closed.rcvd.reason)
    async with open('/own', compression=None) as ws:
        print(await ws.recv(), ws.extensions)
        await ws.close(4000, 'mine')
        print(ws.close_code, ws.close_reason)
    try:
        async with open('/shut'): print('open')
    except websockets.InvalidStatusCode as refused: print(refused.status_code)
asyncio.run(main())
`;

describe('websockets of Python', () => {
  const files = new ClientFiles();
  let python = '';
  let target: ServingProgram | null = null;
  let gateway: GatewayProcess;
  let securePort = 0;

  beforeAll(async () => {
    python = await pythonWith('websockets');
    const port = await freePort();
    securePort = await freePort();
    target = await ServingProgram.start(python, ['-c', SERVER, String(port)], port);
    gateway = await GatewayProcess.start({
      workers: 1,
      listen: [
        { name: 'plain', port: 0 },
        { name: 'secure', port: securePort, tls: { certificates: [files.pair] } },
      ],
      upstreams: { echo: { targets: [{ url: `http://127.0.0.1:${port}` }] } },
      routes: [
        { name: 'shut', match: { path: '/shut' }, upstream: 'echo', websocket: false },
        { name: 'all', match: { path: '/*' }, upstream: 'echo' },
      ],
    });
  });

  afterAll(async () => {
    await gateway.stop();
    await target?.stop();
    files.remove();
  });

  it.each([
    ['ws', 'http', () => `ws://127.0.0.1:${gateway.port}`],
    ['wss', 'https', () => `wss://127.0.0.1:${securePort}`],
  ])('speak with each other over %s as without the gateway', async (_, scheme, url) => {
    const ran = await runProgram(python, ['-c', CLIENT, url(), files.ca]);
    expect({ ...ran, stdout: ran.stdout.split('\n') }).toEqual({
      code: 0,
      stdout: [
        `/hello?a=b second ${scheme} second ['PerMessageDeflate']`,
        '4321 as you like',
        `/own None ${scheme} []`,
        '4000 mine',
        '403',
        '',
      ],
      stderr: '',
    });
  });
});
