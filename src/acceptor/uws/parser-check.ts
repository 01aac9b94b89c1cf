/**
 * Finds out what the parser of a loaded uWebSockets.js does with requests that real networks send.
 *
 * Thread: acceptor, on the main thread. Owns a scratch port on loopback for as long as it asks.
 * The answer is a list of what goes wrong; who does not answer in time counts as wrong. Nothing is
 * kept: another release is another parser.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.js';
import { StartupError } from '../../base/startup-error.js';
import type { UwsApp, UwsModule } from './native-binary.js';

/** For all that is asked at once; the upload may take as long again. */
const ANSWER_MS_MAX = 250;
/** Between two pieces: the library must have read the first. */
const PIECE_PAUSE_MS = 5;
const HOST = '127.0.0.1';
const LONG_PATH = `/${'a'.repeat(2000)}`;
const UPLOAD_BYTES = 16 * 2 ** 20;
/** What has to come in time. */
const UPLOAD_BYTES_MIN = 2 * 2 ** 20;
/** The library reads 512 KiB at once: more must not come behind a pause. */
const PAUSED_BYTES_MAX = 2 ** 20;

interface Question {
  /** Said of a parser that fails. */
  readonly flaw: string;
  readonly pieces: readonly string[];
}

const LONG_REQUEST = `GET ${LONG_PATH} HTTP/1.1\r\nHost: a\r\n\r\n`;

function cutAt(place: number): Question {
  return {
    flaw: 'a request line that comes in two pieces is refused or waits',
    pieces: [LONG_REQUEST.slice(0, place), LONG_REQUEST.slice(place)],
  };
}

const QUESTIONS: readonly Question[] = [
  cutAt(3),
  cutAt(1000),
  cutAt(LONG_REQUEST.indexOf(' HTTP') + 4),
  {
    flaw: 'a field with "_" in its name stops the request',
    pieces: ['GET / HTTP/1.1\r\nHost: a\r\nx_y: 1\r\n\r\n'],
  },
  { flaw: 'HTTP/1.0 is refused', pieces: ['GET / HTTP/1.0\r\nHost: a\r\n\r\n'] },
];

const UPLOAD_FLAW = 'an upload is read on while it is paused, without a bound';

/** Sentences about what this parser gets wrong, each once; empty: it is sound. */
export async function checkParser(uws: UwsModule, clock: Clock): Promise<readonly string[]> {
  const check = new ParserCheck(uws, clock);
  try {
    return await check.run();
  } finally {
    check.close();
  }
}

class ParserCheck {
  private readonly app: UwsApp;
  private readonly sockets: Socket[] = [];
  private port = 0;
  private isPaused = false;
  private pausedBytes = 0;
  private mostPausedBytes = 0;
  private uploadedBytes = 0;

  constructor(
    private readonly uws: UwsModule,
    private readonly clock: Clock,
  ) {
    this.app = uws.App();
    this.app.get('/*', (res) => void res.end('sound'));
    this.app.post('/*', (res) => this.onUpload(res));
  }

  async run(): Promise<readonly string[]> {
    this.port = await this.listen();
    const asked = QUESTIONS.map(async (question) =>
      (await this.ask(question)) ? '' : question.flaw,
    );
    const flaws = (await Promise.all(asked)).filter((flaw) => flaw !== '');
    if (!(await this.upload())) flaws.push(UPLOAD_FLAW);
    return [...new Set(flaws)];
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.app.close();
  }

  private listen(): Promise<number> {
    const { uws, app } = this;
    return new Promise((resolve, reject) => {
      app.listen(HOST, 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
        if (socket !== false) resolve(uws.us_socket_local_port(socket));
        else reject(new StartupError('no free port on loopback to check uWebSockets.js at'));
      });
    });
  }

  private async ask({ pieces }: Question): Promise<boolean> {
    const socket = this.connect();
    const answered = new Promise<boolean>((resolve) => {
      let answer = '';
      socket.setEncoding('latin1').on('data', (text: string) => {
        answer += text;
        if (answer.includes('\r\n\r\n')) resolve(answer.startsWith('HTTP/1.1 200 '));
      });
      socket.on('error', () => resolve(false)).on('close', () => resolve(false));
    });
    void this.send(socket, pieces);
    return Promise.race([answered, this.after(ANSWER_MS_MAX).then(() => false)]);
  }

  private async send(socket: Socket, pieces: readonly string[]): Promise<void> {
    for (const piece of pieces) {
      if (socket.destroyed) return;
      socket.write(piece);
      await this.after(PIECE_PAUSE_MS);
    }
  }

  /** False: bytes without a bound came while the upload was paused, or it took too long. */
  private async upload(): Promise<boolean> {
    const socket = this.connect();
    const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${UPLOAD_BYTES}\r\n\r\n`;
    socket.on('error', () => {});
    socket.write(head);
    socket.write(Buffer.alloc(UPLOAD_BYTES));
    await Promise.race([once(socket, 'close'), once(socket, 'data'), this.after(ANSWER_MS_MAX)]);
    return this.uploadedBytes >= UPLOAD_BYTES_MIN && this.mostPausedBytes <= PAUSED_BYTES_MAX;
  }

  private onUpload(res: Parameters<Parameters<UwsApp['post']>[1]>[0]): void {
    let isOver = false;
    res.onAborted(() => {
      isOver = true;
    });
    const resume = (): void => {
      this.isPaused = false;
      if (!isOver) res.resume();
    };
    res.onData((piece, isLast) => {
      this.uploadedBytes += piece.byteLength;
      if (this.isPaused) this.pausedBytes += piece.byteLength;
      this.mostPausedBytes = Math.max(this.mostPausedBytes, this.pausedBytes);
      if (isLast) {
        isOver = true;
        res.end('sound');
      } else if (!this.isPaused) {
        this.isPaused = true;
        this.pausedBytes = 0;
        res.pause();
        this.clock.after(1, resume);
      }
    });
  }

  private connect(): Socket {
    const socket = connect({ host: HOST, port: this.port, noDelay: true });
    this.sockets.push(socket);
    return socket;
  }

  private after(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve);
    });
  }
}
