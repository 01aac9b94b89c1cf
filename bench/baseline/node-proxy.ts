/**
 * What the contenders that are Node.js libraries have in common: a file that is the contender, and
 * the proxy when Node runs it as `node FILE PORT ORIGIN`.
 */
import { type Contender, HOST } from '../gateway/contender.js';
import { findFreePort, readPackageVersion } from '../support/environment.js';

/** `packageName`: what is measured; `file`: the path of the file that serves. */
export function nodeProxyContender(name: string, packageName: string, file: string): Contender {
  return {
    name,
    abilities: [],

    missing() {
      return readPackageVersion(packageName) === '' ? `${packageName} is not installed` : '';
    },

    version() {
      return `${packageName} ${readPackageVersion(packageName)} on Node ${process.version}`;
    },

    async plan({ originPorts }) {
      const port = await findFreePort();
      const origin = `http://${HOST}:${originPorts[0]}`;
      return {
        port,
        command: [process.execPath, file, String(port), origin],
        environment: { NODE_ENV: 'production' },
        nameThreads: async () => (thread) => (thread.tid === thread.pid ? 'main' : 'V8 and libuv'),
      };
    },
  };
}
