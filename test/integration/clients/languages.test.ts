/**
 * The HTTP clients of languages.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientRig, sha256 } from '../../support/client-rig.js';
import { runProgram } from '../../support/programs.js';

const BODY_BYTES = 200_000;
const BODY = Buffer.alloc(BODY_BYTES, 'b');

let rig: ClientRig;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-clients-'));
  rig = await ClientRig.start();
});

afterAll(async () => {
  await rig.stop();
  rmSync(folder, { recursive: true });
});

beforeEach(() => rig.reset());

const seen = () => rig.upstream.received.map(({ method, url }) => `${method} ${url}`);

describe("Python's http.client", () => {
  it('keeps a connection, sends bodies in two writes and in chunks', async () => {
    const script = `
import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
def chunks():
    for _ in range(20): yield b'b' * ${BODY_BYTES / 20}
for method, path, body, headers in [
    ('GET', '/one', None, {}),
    ('POST', '/two', b'b' * ${BODY_BYTES}, {'Content-Type': 'text/plain'}),
    ('PUT', '/three', chunks(), {}),
    ('GET', '/four', b'b', {}),
]:
    c.request(method, path, body, headers, encode_chunked=True)
    r = c.getresponse()
    print(r.status, r.version, len(r.read()) > 0, c.sock is not None)
`;
    const ran = await runProgram('python3', ['-c', script, String(rig.gateway.port)]);
    expect(ran).toEqual({ code: 0, stdout: '200 11 True True\n'.repeat(4), stderr: '' });
    expect(seen()).toEqual(['GET /one', 'POST /two', 'PUT /three', 'GET /four']);
    const bodies = rig.upstream.received.map(({ body }) => body.length);
    expect(bodies).toEqual([0, BODY_BYTES, BODY_BYTES, 1]);
  });
});

/** A Python that has this library: Debian puts its libraries into its own. */
async function pythonWith(library: string): Promise<string> {
  for (const python of ['python3', '/usr/bin/python3']) {
    const { code } = await runProgram(python, ['-c', `import ${library}`]);
    if (code === 0) return python;
  }
  throw new Error(`no Python has ${library}: install the package python3-${library}`);
}

describe("Python's requests", () => {
  it('uses sessions, sends JSON, files and streams', async () => {
    const script = `
import requests, sys, io
url = sys.argv[1]
s = requests.Session()
print(s.get(url + '/a', params={'q': 'a b'}).json()['line'])
print(s.post(url + '/json', json={'a': [1, 2]}).json()['bytes'])
print(s.post(url + '/file', files={'f': io.BytesIO(b'b' * ${BODY_BYTES})}).json()['bytes'] > ${BODY_BYTES})
print(s.put(url + '/stream', data=(b'b' * ${BODY_BYTES / 20} for _ in range(20))).json()['sha256'])
print(sum(len(c) for c in s.get(url + '/b', stream=True).iter_content(7)) > 0)
`;
    const ran = await runProgram(await pythonWith('requests'), ['-c', script, rig.url]);
    const expected = ['GET /a?q=a+b', '13', 'True', sha256(BODY), 'True', ''].join('\n');
    expect(ran).toEqual({ code: 0, stdout: expected, stderr: '' });
  });
});

describe("Node's fetch", () => {
  it('sends streams and many requests at once', async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (let at = 0; at < 20; at++) controller.enqueue(BODY.subarray(0, BODY_BYTES / 20));
        controller.close();
      },
    });
    const init = { method: 'POST', body: stream, duplex: 'half' } as RequestInit;
    const streamed = await fetch(`${rig.url}/stream`, init);
    expect(await streamed.json()).toMatchObject({ sha256: sha256(BODY) });
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, at) => fetch(`${rig.url}/${at}`)),
    );
    const lines = await Promise.all(replies.map(async (reply) => (await reply.json()).line));
    expect(lines).toEqual(Array.from({ length: 50 }, (_, at) => `GET /${at}`));
  });
});

describe("Java's HttpClient", () => {
  it('offers HTTP/2, sends bodies in chunks and of known length', async () => {
    const file = join(folder, 'Client.java');
    writeFileSync(
      file,
      `
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.*;

public class Client {
  public static void main(String[] args) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    byte[] body = "b".repeat(${BODY_BYTES}).getBytes();
    HttpRequest.BodyPublisher[] bodies = {
      HttpRequest.BodyPublishers.noBody(),
      HttpRequest.BodyPublishers.ofByteArray(body),
      HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)),
    };
    for (HttpRequest.BodyPublisher one : bodies) {
      HttpRequest request = HttpRequest.newBuilder(URI.create(args[0] + "/java"))
        .expectContinue(one.contentLength() != 0).method("POST", one).build();
      HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
      System.out.println(reply.statusCode() + " " + reply.version());
    }
  }
}
`,
    );
    const ran = await runProgram('java', [file, rig.url]);
    expect(ran).toEqual({ code: 0, stdout: '200 HTTP_1_1\n'.repeat(3), stderr: '' });
    expect(rig.upstream.received.map(({ body }) => body.length)).toEqual([
      0,
      BODY_BYTES,
      BODY_BYTES,
    ]);
  });
});
