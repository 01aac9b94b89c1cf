/**
 * The end of systemd to which a service sends its notices: a datagram socket of Unix, which Node.js
 * does not have and Python has.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RECEIVER = `
import json, os, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True:
    text, descriptors, flags, sender = socket.recv_fds(receiver, 4096, 8)
    for descriptor in descriptors:
        os.close(descriptor)
    print(json.dumps(text.decode()), flush=True)
`;

export class ServiceManager {
  private output = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
  }

  static async start(): Promise<ServiceManager> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'));
    const words = ['-c', RECEIVER, join(folder, 'socket')];
    const child = spawn('python3', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const manager = new ServiceManager(child, folder);
    if (child.stdout === null) throw new Error('no output');
    await once(child.stdout, 'data');
    return manager;
  }

  /** NOTIFY_SOCKET of the service. */
  get socket(): string {
    return join(this.folder, 'socket');
  }

  /** Messages so far. The program systemd-notify waits behind each one, by a message of its own. */
  messages(): string[] {
    const lines = this.output.split('\n').slice(1, -1);
    return lines.map((line) => JSON.parse(line)).filter((message) => message !== 'BARRIER=1');
  }

  async stop(): Promise<void> {
    const closed = once(this.child, 'close');
    this.child.kill();
    await closed;
    rmSync(this.folder, { recursive: true });
  }
}
