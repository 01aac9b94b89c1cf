import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  describeBinaries,
  loadNativeBinary,
  NativeBinaryError,
} from '../../../src/acceptor/uws/native-binary.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-native-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with a module of this text, as the library is laid out. */
function release(name: string, text: string): string {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'index.js'), text);
  return join(folder, name);
}

function failure(path: string): string {
  try {
    loadNativeBinary(path);
  } catch (error) {
    expect(error).toBeInstanceOf(NativeBinaryError);
    return (error as Error).message;
  }
  throw new Error('it loaded');
}

const WHOLE =
  'module.exports = { App() {}, us_listen_socket_close() {}, us_socket_local_port() {} };';

describe('the native library', () => {
  it('is the one that GATEWAY_UWS_PATH names, also relative to the working folder', () => {
    const path = release('whole', WHOLE);
    expect(loadNativeBinary(path).App).toBeTypeOf('function');
    expect(loadNativeBinary(relative(process.cwd(), path)).App).toBeTypeOf('function');
    expect(loadNativeBinary(`./${relative(process.cwd(), path)}/index.js`).App).toBeDefined();
  });

  it.each([
    ['nothing', 'module.exports = undefined;', /no App, us_listen_socket_close/],
    ['another module', 'module.exports = { listen() {} };', /no App, us_listen_socket_close/],
    [
      'a part',
      'module.exports = { App() {}, us_socket_local_port() {} };',
      /no us_listen_socket_close;/,
    ],
  ])('is told from %s', (name, text, expected) => {
    const path = release(name, text);
    const message = failure(path);
    expect(message).toMatch(expected);
    expect(message).toContain(`GATEWAY_UWS_PATH=${path} is not uWebSockets.js`);
  });

  it('that is not there is named, with what to do', () => {
    const message = failure(join(folder, 'missing'));
    expect(message).toContain(`GATEWAY_UWS_PATH is ${join(folder, 'missing')}`);
    expect(message).toContain('glibc >= 2.38');
  });

  it('that does not load says why, in one line', () => {
    const path = release('broken', "throw new Error('wrong glibc\\nRequire stack:\\n- x');");
    expect(failure(path)).toContain('(wrong glibc)');
    expect(failure(path)).not.toContain('\n');
  });

  it('says which systems it has binaries for', () => {
    const files = ['uws_linux_x64_137.node', 'uws_linux_x64_115.node', 'uws_win32_x64_115.node'];
    expect(describeBinaries([...files, 'uws.js', 'uws_linux_x64_999.node'])).toBe(
      'there are binaries for linux-x64 (Node 20, 24); win32-x64 (Node 20)',
    );
    expect(describeBinaries(['uws.js'])).toBe('the package uWebSockets.js has no binaries');
  });
});
