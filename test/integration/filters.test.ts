import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

let upstream: FakeUpstream;
let gateway: GatewayProcess;

const route = (name: string, path: string, fields: object = {}) => ({
  name,
  match: { path },
  upstream: 'api',
  ...fields,
});

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  gateway = await GatewayProcess.start({
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    workers: 1,
    trustedProxies: ['127.0.0.1'],
    ipFilter: { deny: ['203.0.113.66'] },
    routes: [
      route('open', '/open/*'),
      route('office', '/office/*', {
        ipFilter: { allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.6.6.0/24'] },
      }),
      route('pages', '/pages/*', {
        match: { path: '/pages/*', methods: ['GET', 'PUT'] },
        cors: {
          origins: ['https://app.example', 'https://*.trusted.example'],
          headers: ['x-token'],
          exposeHeaders: ['x-total'],
          credentials: true,
          maxAge: '10m',
        },
      }),
      route('careful', '/careful/*', { securityHeaders: true, ipFilter: { deny: ['192.0.2.1'] } }),
      route('items', '/old/items/:id', {
        rewrite: {
          path: '/v2/items/${params.id}',
          query: { set: { by: '${clientIp}' }, remove: ['debug'], rename: { q: 'search' } },
          headers: {
            set: { 'x-fixed': 'yes', 'x-client': '${clientIp}', 'x-none': '${claims.sub}' },
            add: { 'x-list': 'two' },
            rename: { 'x-old': 'x-new' },
            remove: ['x-secret'],
          },
        },
      }),
      route('files', '/files/*', { rewrite: { path: '/store/${params.*}' } }),
      route('prefixed', '/pre/*', { rewrite: { stripPrefix: '/pre', addPrefix: '/added' } }),
      route('body', '/body', {
        rewrite: {
          body: {
            set: { '/from/ip': '${clientIp}', '/n': 7, '/tenant': '${claims.tenant}' },
            remove: ['/secret'],
            rename: { '/old': '/new' },
            maxBytes: '512KiB',
          },
        },
      }),
      route('collected', '/collected', { requestBuffering: { maxBytes: '1KiB' } }),
      route('form', '/form/:id', {
        validation: {
          contentTypes: ['application/x-www-form-urlencoded'],
          body: { type: 'object', required: ['name'] },
        },
        rewrite: {
          body: {
            from: 'form',
            template: { id: '${params.id}', name: '${body.name}', tags: '${body.tag}' },
          },
        },
        rewriteReply: { body: { template: { id: '${body.item.id}', by: '${params.id}' } } },
      }),
      route('forms', '/forms', {
        rewrite: { body: { to: 'form' } },
        rewriteReply: { body: { from: 'form' } },
      }),
      route('reply', '/reply', {
        rewriteReply: {
          headers: { remove: ['x-internal'], set: { 'x-by': 'gateway' }, rename: { 'x-a': 'x-b' } },
          body: { remove: ['/password'], set: { '/seen': '${request.method}' }, maxBytes: '4KiB' },
        },
      }),
      route('shop', '/shop/*', {
        rewrite: { stripPrefix: '/shop' },
        rewriteReply: {
          location: { '/': '/shop/' },
          cookies: { path: { '/': '/shop/' }, httpOnly: true },
        },
      }),
      {
        name: 'teapot',
        match: { path: '/teapot/:who' },
        respond: {
          status: 418,
          body: '{"for":"${params.who}"}',
          contentType: 'application/json',
          headers: { 'x-tea': '${query.kind}' },
        },
      },
      {
        name: 'moved',
        match: { path: '/moved/*' },
        redirect: { to: 'https://new.example/here/${params.*}', status: 301 },
      },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  upstream.script = (request, response) => upstream.echo(request, response);
});

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`${gateway.url}${path}`, { redirect: 'manual', ...init });
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });

describe('an IP filter', () => {
  it.each([
    ['10.1.2.3', 200],
    ['10.6.6.6', 403],
    ['192.168.0.1', 403],
    ['2001:db8:1::1', 200],
    ['2001:db9::1', 403],
    ['::ffff:10.1.2.3', 200],
    ['::ffff:10.6.6.6', 403],
    ['::ffff:a06:606', 403],
    ['10.1.2.3, 203.0.113.9', 403],
    ['203.0.113.9, 10.1.2.3', 200],
    ['10.1.2.3, garbage', 403],
  ])('of a route judges a client at %s: %i', async (address, status) => {
    const reply = await ask('/office/x', from(address));
    expect(reply.status).toBe(status);
    if (status !== 403) return;
    expect(await reply.json()).toMatchObject({ code: 'GW_ADDRESS_DENIED', status: 403 });
    expect(upstream.received).toEqual([]);
  });

  it('of the gateway keeps a client from everything, known paths or not', async () => {
    for (const path of ['/open/x', '/nowhere', '/a;b']) {
      expect((await ask(path, from('203.0.113.66'))).status).toBe(403);
    }
    expect((await ask('/open/x', from('203.0.113.67'))).status).toBe(200);
    expect(upstream.received).toHaveLength(1);
  });
});

describe('CORS', () => {
  const preflight = (origin: string, method: string, headers?: string) =>
    ask('/pages/1', {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': method,
        ...(headers === undefined ? {} : { 'access-control-request-headers': headers }),
      },
    });

  it('answers preflights of listed origins by itself', async () => {
    const reply = await preflight('https://app.example', 'PUT', 'X-Token');
    expect(reply.status).toBe(204);
    const { headers } = reply;
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(headers.get('access-control-allow-methods')).toBe('GET, PUT');
    expect(headers.get('access-control-allow-headers')).toBe('x-token');
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.get('access-control-max-age')).toBe('600');
    expect(headers.get('vary')).toMatch(/Origin/);
    expect(upstream.received).toEqual([]);
  });

  it.each([
    ['https://evil.example', 'GET', undefined],
    ['https://app.example.evil.example', 'GET', undefined],
    ['https://trusted.example.evil', 'GET', undefined],
    ['https://trusted.example', 'GET', undefined],
    ['https://xtrusted.example', 'GET', undefined],
    ['https://a/b.trusted.example', 'GET', undefined],
    ['http://app.example', 'GET', undefined],
    ['null', 'GET', undefined],
    ['https://app.example', 'PUT', 'x-token, x-other'],
  ])('refuses the preflight of %s for %s with %s', async (origin, method, headers) => {
    const reply = await preflight(origin, method, headers);
    expect(reply.status).toBe(403);
    if (headers === undefined) expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    expect(upstream.received).toEqual([]);
  });

  it('takes hosts below a listed one', async () => {
    expect((await preflight('https://a.b.trusted.example', 'GET')).status).toBe(204);
  });

  it('leaves a preflight for a method that no route takes to the routes', async () => {
    expect((await preflight('https://app.example', 'DELETE')).status).toBe(405);
  });

  it('opens no method to who only half asks', async () => {
    const headers = { 'access-control-request-method': 'GET' };
    expect((await ask('/pages/1', { method: 'OPTIONS', headers })).status).toBe(405);
    expect(upstream.received).toEqual([]);
  });

  it('lets only pages of listed origins read replies, whatever the target says', async () => {
    upstream.script = (_request, response) => {
      response.writeHead(200, {
        'access-control-allow-origin': '*',
        'access-control-allow-credentials': 'true',
        vary: 'accept',
      });
      response.end();
    };
    const own = await ask('/pages/1', { headers: { origin: 'https://app.example' } });
    expect(own.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(own.headers.get('access-control-expose-headers')).toBe('x-total');
    expect(own.headers.get('vary')).toBe('accept, Origin');
    const foreign = await ask('/pages/1', { headers: { origin: 'https://evil.example' } });
    expect(foreign.status).toBe(200);
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    expect(foreign.headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('security headers', () => {
  it('stand on replies, without replacing what the target says', async () => {
    upstream.script = (_request, response) => {
      response.writeHead(200, {
        'x-frame-options': 'SAMEORIGIN',
        server: 'x',
        'x-powered-by': 'y',
      });
      response.end();
    };
    const { headers } = await ask('/careful/x');
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=/);
    expect(headers.get('server')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('content-security-policy')).toBeNull();
  });

  it('stand on refusals as well', async () => {
    const reply = await ask('/careful/x', from('192.0.2.1'));
    expect(reply.status).toBe(403);
    expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
    expect(reply.headers.get('content-security-policy')).toMatch(/default-src 'none'/);
  });
});

describe('a rewrite', () => {
  it('makes path, query and fields of what the request holds', async () => {
    await ask('/old/items/a%20b%2Cc?debug=1&q=x%20y&keep=%41&by=me', {
      headers: {
        'x-forwarded-for': '198.51.100.7',
        'x-client': 'liar',
        'x-none': 'liar',
        'x-list': 'one',
        'x-old': 'value',
        'x-new': 'liar',
        'x-secret': 's',
      },
    });
    const [received] = upstream.received;
    expect(received?.url).toBe('/v2/items/a%20b%2Cc?search=x%20y&keep=%41&by=198.51.100.7');
    expect(received?.headers).toMatchObject({
      'x-fixed': 'yes',
      'x-client': '198.51.100.7',
      'x-list': 'one, two',
      'x-new': 'value',
    });
    for (const gone of ['x-none', 'x-old', 'x-secret']) {
      expect(received?.headers[gone]).toBeUndefined();
    }
  });

  it('keeps the rest of a path as it was spelled, and adds prefixes', async () => {
    await ask('/files/a/b%20c/%252e?x=1');
    await ask('/pre/x/y');
    expect(upstream.received.map(({ url }) => url)).toEqual([
      '/store/a/b%20c/%252e?x=1',
      '/added/x/y',
    ]);
  });

  const send = (body: string, type = 'application/json') =>
    ask('/body', { method: 'POST', body, headers: { 'content-type': type } });

  it('changes members of a JSON body, and leaves none that the client made up', async () => {
    const reply = await send(
      '{"old":1,"secret":2,"tenant":"made up","from":"x","__proto__":{"a":1}}',
    );
    expect(reply.status).toBe(200);
    const [received] = upstream.received;
    // "from" is a text: nothing can be put into it.
    const text = '{"from":"x","__proto__":{"a":1},"new":1,"n":7}';
    expect(received?.body.toString()).toBe(text);
    expect(received?.headers['content-length']).toBe(String(text.length));
  });

  it('changes a body that comes in pieces and is longer than a window', async () => {
    const text = JSON.stringify({ text: 'x'.repeat(400_000), secret: 1 });
    const pieces = text.match(/.{1,50000}/g) ?? [];
    const chunked = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
    const head =
      'POST /body HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n';
    const { status } = await rawExchange(gateway.port, [head, ...chunked, '0\r\n\r\n']);
    expect(status).toBe(200);
    const [received] = upstream.received;
    const changed = JSON.parse(received?.body.toString() ?? '');
    expect(changed.text).toHaveLength(400_000);
    expect(changed.secret).toBeUndefined();
    expect(changed.from.ip).toBe('127.0.0.1');
  });

  it.each([
    'Content-Type: application/json\r\nContent-Type: text/plain',
    'Content-Type: application/json\r\nContent-Encoding: br\r\nContent-Encoding: gzip',
  ])('lets no body through that is two things: %s', async (fields) => {
    const head = `POST /body HTTP/1.1\r\nHost: x\r\n${fields}\r\nContent-Length: 2\r\n`;
    const request = `${head}Connection: close\r\n\r\n{}`;
    expect((await rawExchange(gateway.port, [request])).status).toBe(415);
    expect(upstream.received).toEqual([]);
  });

  it.each([
    ['text', 'text/plain', 415],
    ['{}', '', 415],
    ['{"a":1', 'application/json', 400],
    ['{"a":1,"\\u0061":2}', 'application/json', 400],
    [`${'['.repeat(100)}${']'.repeat(100)}`, 'application/json', 400],
    ['{}', 'application/json; charset=utf-16', 415],
    [JSON.stringify('x'.repeat(600_000)), 'application/json', 413],
  ])('lets no body through that it cannot change: %.20s as %s', async (body, type, status) => {
    expect((await send(body, type)).status).toBe(status);
    expect(upstream.received).toEqual([]);
  });
});

describe('a body that goes on in another format', () => {
  const FORM = 'application/x-www-form-urlencoded';
  const post = (path: string, type: string, body: string) =>
    ask(path, { method: 'POST', body, headers: { 'content-type': type } });
  const answerWith = (type: string, body: string): void => {
    upstream.script = (request, response) =>
      upstream.keep(request, () => {
        response.writeHead(200, { 'content-type': type, etag: '"x"' });
        response.end(body);
      });
  };

  it('is JSON that a template makes of a form, with its own type and length', async () => {
    answerWith('application/json', '{"item":{"id":12345678901234567890},"secret":1}');
    const reply = await post('/form/7', `${FORM}; charset=utf-8`, 'name=%22%7D%C3%A9&tag=a&tag=b');
    expect(await reply.text()).toBe('{"id":12345678901234567890,"by":"7"}');
    const [received] = upstream.received;
    const body = '{"id":"7","name":"\\"}\u00e9","tags":["a","b"]}';
    expect(received?.body.toString()).toBe(body);
    expect(received?.headers['content-type']).toBe('application/json');
    expect(received?.headers['content-length']).toBe(String(Buffer.byteLength(body)));
  });

  it('is validated as it came', async () => {
    const refused = await post('/form/7', FORM, 'tag=a');
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ violations: [{ in: 'body', rule: 'required' }] });
    expect((await post('/form/7', 'application/json', '{"name":"a"}')).status).toBe(415);
    expect(upstream.received).toEqual([]);
  });

  it('is a form that is made of JSON, and JSON that is made of the form that answers', async () => {
    answerWith(`${FORM};charset=utf-8`, 'ok=1&line=a+b&line=c');
    const reply = await post('/forms', 'application/json', '{"n":9007199254740993,"l":["x y",1]}');
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(reply.headers.get('etag')).toBeNull();
    expect(await reply.text()).toBe('{"ok":"1","line":["a b","c"]}');
    const [received] = upstream.received;
    expect(received?.body.toString()).toBe('n=9007199254740993&l=x+y&l=1');
    expect(received?.headers['content-type']).toBe(FORM);
  });

  it('goes on not at all where that cannot be', async () => {
    const nested = await post('/forms', 'application/json', '{"a":{"b":1}}');
    expect(nested.status).toBe(400);
    expect(await nested.json()).toMatchObject({
      detail:
        'The body cannot be written as a form: the member "a" is an object, and a form is flat.',
    });
    expect((await post('/forms', FORM, 'a=1')).status).toBe(415);
    expect((await post('/form/7', FORM, 'name=%ff')).status).toBe(400);
    expect(upstream.received).toEqual([]);
  });

  it('is no body where none came, and keeps its type', async () => {
    await post('/forms', 'application/json', '');
    const [received] = upstream.received;
    expect(received?.headers['content-type']).toBe('application/json');
    expect(received?.body.length).toBe(0);
  });

  it('of a target that is none of its kind is 502, or passes where it has another type', async () => {
    answerWith(FORM, 'a=%');
    expect((await post('/forms', 'application/json', '{}')).status).toBe(502);
    answerWith('text/plain', 'as it is');
    const plain = await post('/forms', 'application/json', '{}');
    expect(plain.headers.get('content-type')).toBe('text/plain');
    expect(await plain.text()).toBe('as it is');
  });
});

describe('a reply rewrite', () => {
  const replyWith = (body: string | Buffer, headers: Record<string, string>, status = 200) => {
    upstream.script = (_request, response) => {
      response.writeHead(status, headers);
      response.end(body);
    };
  };

  it('changes fields and members', async () => {
    replyWith('{"user":"a","password":"p","id":9007199254740993}', {
      'content-type': 'application/json; charset=utf-8',
      'x-internal': 'i',
      'x-a': '1',
      etag: '"x"',
    });
    const reply = await ask('/reply', {
      headers: { 'accept-encoding': 'gzip', range: 'bytes=0-1' },
    });
    expect(await reply.text()).toBe('{"user":"a","id":9007199254740993,"seen":"GET"}');
    expect(reply.headers.get('x-internal')).toBeNull();
    expect(reply.headers.get('x-a')).toBeNull();
    expect(reply.headers.get('x-b')).toBe('1');
    expect(reply.headers.get('x-by')).toBe('gateway');
    expect(reply.headers.get('etag')).toBeNull();
  });

  it('asks the target for the whole, plain document', async () => {
    await ask('/reply', { headers: { 'accept-encoding': 'gzip', range: 'bytes=0-1' } });
    const [received] = upstream.received;
    expect(received?.headers['accept-encoding']).toBeUndefined();
    expect(received?.headers.range).toBeUndefined();
  });

  it('changes a body that comes in pieces without a length', async () => {
    upstream.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.x+json' });
      response.write('{"password":');
      setImmediate(() => response.end('"p"}'));
    };
    expect(await (await ask('/reply')).json()).toEqual({ seen: 'GET' });
  });

  it('leaves other types, empty replies and heads alone', async () => {
    replyWith('plain "password"', { 'content-type': 'text/plain' });
    expect(await (await ask('/reply')).text()).toBe('plain "password"');
    replyWith('', { 'content-type': 'application/json' }, 204);
    expect((await ask('/reply')).status).toBe(204);
    replyWith('', { 'content-type': 'application/json', 'content-length': '27' });
    const head = await ask('/reply', { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).not.toBe('27');
  });

  it.each([
    ['too long', JSON.stringify('x'.repeat(5000)), {}, 200],
    ['coded', 'x', { 'content-encoding': 'gzip' }, 200],
    ['partial', '{}', {}, 206],
    ['broken', '{"password":"p"', {}, 200],
  ])('lets nothing through that is %s', async (_, body, headers, status) => {
    replyWith(body, { 'content-type': 'application/json', ...headers }, status);
    const reply = await ask('/reply');
    expect(reply.status).toBe(502);
    expect(await reply.json()).toMatchObject({ code: 'GW_UPSTREAM_BODY' });
  });

  it.each([
    ['content-type', 'application/json', 'content-type', 'application/json'],
    ['content-type', 'text/plain', 'content-type', 'application/json'],
    ['content-type', 'application/json, text/plain'],
  ])('lets nothing through that is of several types: %j', async (...fields) => {
    upstream.script = (_request, response) => {
      response.writeHead(200, fields);
      response.end('{"password":"p"}');
    };
    const reply = await ask('/reply');
    expect([reply.status, await reply.text()]).toEqual([502, expect.not.stringContaining('"p"')]);
  });

  it('lets nothing through that grows too long on the way', async () => {
    upstream.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('"');
      for (let i = 0; i < 10; i++) response.write('x'.repeat(1000));
      response.end('"');
    };
    expect((await ask('/reply')).status).toBe(502);
    upstream.script = (request, response) => upstream.echo(request, response);
    expect((await ask('/reply')).status).toBe(200);
  });
});

describe('redirects and cookies of a target', () => {
  it('lead a client back to where it reaches the target', async () => {
    upstream.script = (request, response) => {
      const isHome = request.url === '/home';
      response.writeHead(isHome ? 200 : 302, {
        ...(!isHome && { location: '/home' }),
        'set-cookie': ['sid=1; Path=/', 'old=; Path=/; Max-Age=0'],
      });
      response.end(request.url);
    };
    const first = await ask('/shop/login');
    expect(first.status).toBe(302);
    expect(first.headers.get('location')).toBe('/shop/home');
    expect(first.headers.getSetCookie()).toEqual([
      'sid=1; Path=/shop/; HttpOnly',
      'old=; Path=/shop/; Max-Age=0; HttpOnly',
    ]);
    const followed = await ask('/shop/login', { redirect: 'follow' });
    expect(followed.status).toBe(200);
    expect(await followed.text()).toBe('/home');
  });
});

describe('a fixed reply', () => {
  it('answers without an upstream, and takes values as values', async () => {
    const reply = await ask('/teapot/%22%2C%22x%22%3A%22?kind=green');
    expect(reply.status).toBe(418);
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(reply.headers.get('x-tea')).toBe('green');
    expect(await reply.json()).toEqual({ for: '","x":"' });
    expect(upstream.received).toEqual([]);
  });

  it.each(['plain', 'caf\u00e9', 'a\u{1f600}b', '\u65e5\u672c'])(
    'writes %s as UTF-8',
    async (who) => {
      const reply = await ask(`/teapot/${encodeURIComponent(who)}`);
      const body = Buffer.from(await reply.arrayBuffer());
      expect(body.toString('utf8')).toBe(`{"for":"${who}"}`);
      expect(reply.headers.get('content-length')).toBe(String(body.length));
      const head = await ask(`/teapot/${encodeURIComponent(who)}`, { method: 'HEAD' });
      expect(head.headers.get('content-length')).toBe(String(body.length));
    },
  );

  it('answers HEAD with the length only', async () => {
    const reply = await ask('/teapot/me', { method: 'HEAD' });
    expect(reply.status).toBe(418);
    expect(reply.headers.get('content-length')).toBe('12');
  });

  it('splits no reply by what is put in', async () => {
    const { text } = await rawExchange(gateway.port, [
      'GET /teapot/x?kind=a%0d%0aset-cookie:%20a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ]);
    expect(text).not.toMatch(/^set-cookie/im);
    expect(text).toMatch(/418/);
  });
});

describe('a body whose length the client does not tell', () => {
  const HEAD =
    'POST /collected HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n' +
    'Content-Encoding: x-own\r\nTrailer: x-sum\r\nConnection: close\r\n\r\n';

  it.each([
    [['3\r\nabc\r\n', '2\r\nde\r\n', '0\r\nx-sum: 1\r\n\r\n'], 'abcde'],
    [['0\r\n\r\n'], ''],
  ])('is collected where the route says so, and has one: %#', async (chunks, body) => {
    const { status } = await rawExchange(gateway.port, [HEAD, ...chunks]);
    expect(status).toBe(200);
    const [received] = upstream.received;
    expect(received?.body.toString()).toBe(body);
    const { headers } = received ?? {};
    expect(headers).toMatchObject({
      'content-length': String(body.length),
      'content-encoding': 'x-own',
    });
    expect([headers?.['transfer-encoding'], headers?.trailer]).toEqual([undefined, undefined]);
  });

  it('is refused where it is longer than what is collected', async () => {
    const chunk = `201\r\n${'x'.repeat(0x201)}\r\n`;
    const { status } = await rawExchange(gateway.port, [HEAD, chunk, chunk, '0\r\n\r\n']);
    expect(status).toBe(413);
    expect(upstream.received).toEqual([]);
  });

  it('and one that has a length goes on, however long it is', async () => {
    const reply = await ask('/collected', { method: 'POST', body: 'x'.repeat(100_000) });
    expect(reply.status).toBe(200);
    expect(upstream.received[0]?.body).toHaveLength(100_000);
  });
});

describe('a redirect', () => {
  it('goes to a place of the configuration with what the request holds', async () => {
    const reply = await ask('/moved/a/b%20c?x=1');
    expect(reply.status).toBe(301);
    expect(reply.headers.get('location')).toBe('https://new.example/here/a/b%20c?x=1');
  });
});

it('filters count what they answer', async () => {
  await ask('/office/x', from('192.168.0.1'));
  await eventually('it is counted', async () => {
    const { counters } = (await gateway.stats()) as { counters: Record<string, number> };
    return (counters['filter_replies'] ?? 0) > 0 && counters['filter_errors'] === 0;
  });
});
