/**
 * What the contenders that are Node.js libraries have in common: a file that is the contender, and
 * the proxy when Node runs it as `node FILE PORT ORIGIN SOCKETS [CERTIFICATE KEY]`; SOCKETS is the origin of WebSockets.
 */
import type { Ability, Contender } from '../gateway/contender.js';
import { HOST } from '../gateway/contender.js';
import { TLS_SCENARIOS } from '../gateway/tls-scenarios.js';
import { makeCertificate, missingCertificateTool } from '../support/certificate.js';
import { findFreePort, readPackageVersion } from '../support/environment.js';

export interface NodeProxy {
  readonly name: string;
  /** What is measured. */
  readonly packageName: string;
  /** The path of the file that serves. */
  readonly file: string;
  readonly abilities?: readonly Ability[];
  readonly isTls?: boolean;
}

export function nodeProxyContender(given: NodeProxy): Contender {
  const { name, packageName, file, abilities = [], isTls = false } = given;
  return {
    ...{ name, abilities },
    ...(isTls ? { scenarios: TLS_SCENARIOS } : {}),

    missing() {
      if (readPackageVersion(packageName) === '') return `${packageName} is not installed`;
      return isTls ? missingCertificateTool() : '';
    },

    version() {
      return `${packageName} ${readPackageVersion(packageName)} on Node ${process.version}`;
    },

    async plan({ folder, originPorts, originSocketPort }) {
      const port = await findFreePort();
      const origins = [originPorts[0], originSocketPort].map((one) => `http://${HOST}:${one}`);
      const secured = isTls ? Object.values(makeCertificate(folder)) : [];
      return {
        ...{ port, isTls },
        command: [process.execPath, file, String(port), ...origins, ...secured],
        environment: { NODE_ENV: 'production' },
        nameThreads: async () => (thread) => (thread.tid === thread.pid ? 'main' : 'V8 and libuv'),
      };
    },
  };
}
