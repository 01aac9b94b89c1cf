/** Asks a gateway for a path of a host by its name, whatever that name resolves to. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { eventually } from './eventually.js';

export class HostAsker {
  constructor(
    private readonly port: () => number,
    /** What is said of a reply of 200 behind its body. */
    private readonly remark: (headers: IncomingHttpHeaders) => string = () => '',
  ) {}

  /** Status and Location; of a reply without one the status, with 200 the body too. */
  ask(host: string, path: string, port = this.port()): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, headers: { host }, agent: false };
      const asked = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (more) => {
          text += more;
        });
        response.on('end', () => {
          const { statusCode, headers } = response;
          const body = statusCode === 200 ? `${text}${this.remark(headers)}` : '';
          resolve(`${statusCode} ${headers.location ?? body}`.trim());
        });
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  /** Waits for this answer. Throws with the last one when it does not come. */
  async answers(host: string, path: string, expected: string): Promise<void> {
    let last = '';
    await eventually(`${host}${path} answers ${expected}`, async () => {
      last = await this.ask(host, path);
      return last === expected;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${last}`);
    });
  }
}
