/**
 * The gateway as its users run it: a process of its own, from the compiled files.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtFile } from './built-file.js';
import { eventually } from './eventually.js';

export const MAIN_FILE = builtFile('src/main.js');

export interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly thread: string;
  readonly [field: string]: unknown;
}

export interface AdminBody {
  readonly epoch?: number;
  readonly changes?: readonly string[];
  readonly reasons?: readonly string[];
  readonly detail?: string;
}

interface StartRecord extends LogRecord {
  readonly port: number;
  readonly admin: { readonly port: number };
}

/** In place of the Node.js that runs the test, and of its folder. */
export interface ProcessPlace {
  readonly node?: string | undefined;
  readonly cwd?: string;
}

export class GatewayProcess {
  stdout = '';
  stderr = '';
  exitCode: number | null = null;
  signal: NodeJS.Signals | null = null;
  private readonly read: LogRecord[] = [];
  private readChars = 0;
  private ports: { port: number; admin: number } = { port: 0, admin: 0 };
  readonly exited: Promise<void>;

  private constructor(
    readonly child: ChildProcess,
    private readonly folder: string,
    /** The configuration that the process reads. */
    readonly configFile: string,
    private readonly logFile?: string,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.exitCode = code;
        this.signal = signal;
        rmSync(this.folder, { recursive: true, force: true });
        resolve();
      });
    });
  }

  /** Starts `sluice run` with this configuration; resolves when it listens. */
  static async start(
    config: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string>> = {},
    logFile?: string,
    place?: ProcessPlace,
  ): Promise<GatewayProcess> {
    const gateway = GatewayProcess.spawn(config, env, logFile, place);
    try {
      await eventually('the gateway listens', () => {
        if (gateway.exitCode !== null)
          throw new Error(`exited: ${gateway.stderr}${gateway.stdout}`);
        return gateway.find('gateway started').length > 0;
      });
    } catch (error) {
      await gateway.kill();
      throw error;
    }
    const [started] = gateway.find('gateway started') as StartRecord[];
    if (started === undefined) throw new Error('no start record');
    gateway.ports = { port: started.port, admin: started.admin.port };
    return gateway;
  }

  /** Starts the process without waiting for anything. `logFile`: in place of a pipe. */
  static spawn(
    config: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string>> = {},
    logFile?: string,
    { node = process.execPath, cwd = process.cwd() }: ProcessPlace = {},
  ): GatewayProcess {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    const file = join(folder, 'sluice.json');
    writeFileSync(file, configText(config));
    const output = logFile === undefined ? 'pipe' : openSync(logFile, 'w');
    const child = spawn(node, [MAIN_FILE, 'run', '-c', file], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, 'pipe'],
    });
    if (typeof output === 'number') closeSync(output);
    return new GatewayProcess(child, folder, file, logFile);
  }

  get port(): number {
    return this.ports.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.port}`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.ports.admin}`;
  }

  /** The log so far. Throws when a line is not whole JSON. */
  records(): LogRecord[] {
    const text = this.logFile === undefined ? this.stdout : readFileSync(this.logFile, 'utf8');
    // The last piece may still be on its way; conditions ask again and again for what came before.
    const end = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(this.readChars, end).split('\n')) {
      if (line !== '') this.read.push(JSON.parse(line) as LogRecord);
    }
    this.readChars = Math.max(this.readChars, end);
    return [...this.read];
  }

  find(message: string): LogRecord[] {
    return this.records().filter((record) => record.msg === message);
  }

  /** `Shape`: the part of the document that the test reads. */
  async stats<Shape = Record<string, unknown>>(): Promise<Shape> {
    const reply = await fetch(`${this.adminUrl}/stats`);
    return (await reply.json()) as Shape;
  }

  /** Puts another configuration into the file, as an editor does: whole, under the same name. */
  rewrite(config: Readonly<Record<string, unknown>> | string): void {
    const text = typeof config === 'string' ? config : configText(config);
    writeFileSync(`${this.configFile}.new`, text);
    renameSync(`${this.configFile}.new`, this.configFile);
  }

  /** Asks the admin listener to change something. */
  async post(path: string, token: string): Promise<{ status: number; body: AdminBody }> {
    const headers = { authorization: `Bearer ${token}` };
    const reply = await fetch(this.adminUrl + path, { method: 'POST', headers });
    return { status: reply.status, body: (await reply.json()) as AdminBody };
  }

  /** Bytes of memory that the process holds. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  }

  async stop(): Promise<void> {
    if (this.exitCode === null) this.child.kill('SIGTERM');
    await this.exited;
  }

  async kill(): Promise<void> {
    if (this.exitCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }
}

function configText(config: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    listen: { port: 0, chunkedRequests: 'allow' },
    admin: { port: 0 },
    ...config,
  });
}
