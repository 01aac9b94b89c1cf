/**
 * The HTTP clients of languages.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientRig, DOORS, sha256 } from '../../support/client-rig.js';
import { type ProgramResult, pythonWith, runProgram } from '../../support/programs.js';

const BODY_BYTES = 200_000;
const BODY = Buffer.alloc(BODY_BYTES, 'b');

describe.each(DOORS)('languages, %s', (door) => {
  let rig: ClientRig;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-clients-'));
    rig = await ClientRig.start(door);
  });

  afterAll(async () => {
    await rig.stop();
    rmSync(folder, { recursive: true });
  });

  beforeEach(() => rig.reset());

  /** Runs a program that trusts the gateway. */
  function run(command: string, args: readonly string[]): Promise<ProgramResult> {
    return runProgram(command, args, { env: rig.files.trust });
  }

  const seen = () => rig.upstream.received.map(({ method, url }) => `${method} ${url}`);

  describe("Python's http.client", () => {
    it('keeps a connection, sends bodies in two writes and in chunks', async () => {
      const script = `
import http.client, sys
C = http.client.HTTPSConnection if sys.argv[2] == 'tls' else http.client.HTTPConnection
c = C('127.0.0.1', int(sys.argv[1]))
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
      const ran = await run('python3', ['-c', script, String(rig.port), door]);
      expect(ran).toEqual({ code: 0, stdout: '200 11 True True\n'.repeat(4), stderr: '' });
      expect(seen()).toEqual(['GET /one', 'POST /two', 'PUT /three', 'GET /four']);
      const bodies = rig.upstream.received.map(({ body }) => body.length);
      expect(bodies).toEqual([0, BODY_BYTES, BODY_BYTES, 1]);
    });
  });

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
      const ran = await run(await pythonWith('requests'), ['-c', script, rig.url]);
      const expected = ['GET /a?q=a+b', '13', 'True', sha256(BODY), 'True', ''].join('\n');
      expect(ran).toEqual({ code: 0, stdout: expected, stderr: '' });
    });
  });

  describe("Node's fetch", () => {
    it('sends streams and many requests at once', async () => {
      // A process of its own: whom it trusts is read at its start.
      const script = `
const [url] = process.argv.slice(1);
const stream = new ReadableStream({
  start(controller) {
    for (let at = 0; at < 20; at++) {
      controller.enqueue(new Uint8Array(${BODY_BYTES / 20}).fill(98));
    }
    controller.close();
  },
});
const streamed = await fetch(url + '/stream', { method: 'POST', body: stream, duplex: 'half' });
console.log((await streamed.json()).sha256);
const many = Array.from({ length: 50 }, (_, at) => fetch(url + '/' + at));
for (const reply of await Promise.all(many)) console.log((await reply.json()).line);
`;
      const ran = await run(process.execPath, ['--input-type=module', '-e', script, rig.url]);
      const lines = Array.from({ length: 50 }, (_, at) => `GET /${at}`);
      const expected = [sha256(BODY), ...lines, ''].join('\n');
      expect(ran).toEqual({ code: 0, stdout: expected, stderr: '' });
    });
  });

  describe("Java's HttpClient", () => {
    it('offers HTTP/2, sends bodies in chunks and of known length', async () => {
      const file = join(folder, 'Client.java');
      writeFileSync(
        file,
        `
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Client {
  public static void main(String[] args) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null);
    trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
      .generateCertificate(new FileInputStream(args[1])));
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    HttpClient client = HttpClient.newBuilder().sslContext(context).build();
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
      const ran = await run('java', [file, rig.url, rig.files.ca]);
      const version = door === 'tls' ? 'HTTP_2' : 'HTTP_1_1';
      expect(ran).toEqual({ code: 0, stdout: `200 ${version}\n`.repeat(3), stderr: '' });
      expect(rig.upstream.received.map(({ body }) => body.length)).toEqual([
        0,
        BODY_BYTES,
        BODY_BYTES,
      ]);
    });
  });
});
