/**
 * `sluice plugin new NAME`: writes a plugin and its test, from which an author begins.
 *
 * Thread: supervisor (on the main thread). Nothing that is there is overwritten.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_OK,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** Writes `NAME/NAME.js` and `NAME/NAME.test.js`. */
export function pluginCommand({ words }: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () => {
    const [action, name] = words;
    if (action !== 'new' || name === undefined) {
      throw new UsageError('plugin takes new and a name: sluice plugin new NAME');
    }
    if (!NAME.test(name)) {
      throw new UsageError(`"${name}" is no name: letters, digits, _ and -, first a letter`);
    }
    if (existsSync(name)) throw new UsageError(`${name} is there already`);
    mkdirSync(name);
    // The test is a module whatever package.json is above.
    writeFileSync(join(name, 'package.json'), packageText(name));
    writeFileSync(join(name, `${name}.js`), pluginText(name));
    writeFileSync(join(name, `${name}.test.js`), testText(name));
    io.stdout.write(
      `${name}/${name}.js and its test are there.\n\n` +
        `  node --test ${name}/\n\n` +
        'Use it in the configuration:\n\n' +
        `  plugins:\n    - { name: ${name}, file: ./${name}/${name}.js }\n` +
        '  routes:\n' +
        `    - { name: …, match: …, upstream: …, plugins: [${name}] }\n`,
    );
    return EXIT_OK;
  });
}

function packageText(name: string): string {
  const manifest = { name: name.toLowerCase(), private: true, type: 'module', main: `${name}.js` };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function pluginText(name: string): string {
  return `/**
 * @typedef {{ readonly greeting: string }} Options
 *
 * @type {import('sluice').Plugin<Options>}
 */
const plugin = {
  name: '${name}',
  // JSON Schema of the options: \`sluice validate\` checks them by it.
  options: {
    type: 'object',
    properties: { greeting: { type: 'string', default: 'hello' } },
    additionalProperties: false,
  },
  counters: ['greeted'],
  setup(options, context) {
    return {
      onRequest(request) {
        if (request.header('x-silent') !== '') {
          return { status: 403, headers: { 'content-type': 'text/plain' }, body: 'say hello' };
        }
        context.count('greeted');
        request.setHeader('x-greeting', options.greeting);
        return undefined;
      },
    };
  },
};

export default plugin;
`;
}

function testText(name: string): string {
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from './${name}.js';

/** What the plugin is given by the gateway, as far as it uses that. */
function setUp(options) {
  const counted = [];
  const context = { name: '${name}', count: (counter) => counted.push(counter), log: () => {} };
  return { hooks: plugin.setup(options, context), counted };
}

function requestWith(headers) {
  const set = {};
  const request = {
    header: (name) => headers[name] ?? '',
    setHeader: (name, value) => {
      set[name] = value;
    },
  };
  return { request, set };
}

test('greets the target', () => {
  const { hooks, counted } = setUp({ greeting: 'good morning' });
  const { request, set } = requestWith({});
  assert.equal(hooks.onRequest(request), undefined);
  assert.deepEqual(set, { 'x-greeting': 'good morning' });
  assert.deepEqual(counted, ['greeted']);
});

test('refuses who is silent', () => {
  const { hooks, counted } = setUp({ greeting: 'hello' });
  const { request } = requestWith({ 'x-silent': '1' });
  assert.equal(hooks.onRequest(request).status, 403);
  assert.deepEqual(counted, []);
});
`;
}
