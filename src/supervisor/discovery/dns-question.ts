/**
 * One question to name servers, with the time to live that Node's own resolver does not tell.
 *
 * Thread: supervisor (on the main thread). Each question has a socket and a port of its own and a
 * random id (RFC 5452), so that an answer that somebody else sends is not taken for the server's.
 * What does not fit a datagram is asked for again over TCP (RFC 7766).
 */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect as connectTcp, isIPv6 } from 'node:net';
import type { Answer, DecodedPacket, RecordType } from 'dns-packet';

export type QuestionType = 'A' | 'AAAA' | 'SRV';

export interface NameServer {
  readonly host: string;
  readonly port: number;
}

/** What a server has said. */
export interface NameAnswer {
  /** The name does not exist. */
  readonly isUnknown: boolean;
  readonly answers: readonly Answer[];
  readonly additionals: readonly Answer[];
  /** How long it may be believed that there is no such record, in seconds (RFC 2308 5). */
  readonly negativeTtl: number;
}

const WAIT_MS = 2_000;
/** What the network takes in one piece, on nearly every way (DNS flag day 2020). */
const UDP_BYTES = 1232;
const NEGATIVE_TTL = 30;

type Codec = typeof import('dns-packet');

/** Asks one server after the other. Rejects with what the last one did wrong. */
export async function askNameServers(
  name: string,
  type: QuestionType,
  servers: readonly NameServer[],
  signal: AbortSignal,
): Promise<NameAnswer> {
  // Loaded where somebody asks for records.
  const codec = await import('dns-packet');
  let problem = 'no name server is known';
  for (const server of servers) {
    try {
      return await askServer(codec, { name, type, server, signal });
    } catch (error) {
      if (signal.aborted) throw error;
      problem = error instanceof Error ? error.message : String(error);
    }
  }
  throw new Error(problem);
}

interface Question {
  readonly name: string;
  readonly type: QuestionType;
  readonly server: NameServer;
  readonly signal: AbortSignal;
}

async function askServer(codec: Codec, question: Question): Promise<NameAnswer> {
  if (question.signal.aborted) throw new Error('nobody wants the answer');
  const { name, type } = question;
  const id = randomInt(65_536);
  const query = {
    type: 'query' as const,
    id,
    flags: codec.RECURSION_DESIRED,
    questions: [{ type: type as RecordType, name }],
    additionals: [
      {
        type: 'OPT' as const,
        name: '.',
        udpPayloadSize: UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  };
  const isAnswer = (packet: DecodedPacket): boolean => isAnswerTo(packet, id, question);
  const short = await overUdp(codec, codec.encode(query), question, isAnswer);
  if (!short.flag_tc) return judge(short);
  return judge(await overTcp(codec, codec.streamEncode(query), question, isAnswer));
}

function isAnswerTo(packet: DecodedPacket, id: number, { name, type }: Question): boolean {
  const [asked] = packet.questions ?? [];
  return (
    packet.type === 'response' &&
    packet.id === id &&
    asked?.type === type &&
    plainName(asked.name) === plainName(name)
  );
}

/** Lower case, without the dot of the root. */
export function plainName(name: string): string {
  return name.replace(/\.$/, '').toLowerCase();
}

function judge(packet: DecodedPacket): NameAnswer {
  const { rcode } = packet as DecodedPacket & { readonly rcode?: string };
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') throw new Error(`the name server says ${rcode}`);
  const soa = (packet.authorities ?? []).find((one) => one.type === 'SOA');
  const negative = soa === undefined ? NEGATIVE_TTL : (soa.data.minimum ?? NEGATIVE_TTL);
  return {
    isUnknown: rcode === 'NXDOMAIN',
    answers: packet.answers ?? [],
    additionals: packet.additionals ?? [],
    negativeTtl: Math.min(negative, soa?.ttl ?? negative),
  };
}

function overUdp(
  codec: Codec,
  query: Buffer,
  { server, signal }: Question,
  isAnswer: (packet: DecodedPacket) => boolean,
): Promise<DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket: UdpSocket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.close();
      settle();
    };
    const fail = (reason: string): void => end(() => reject(new Error(reason)));
    const timer = setTimeout(() => fail(`no answer within ${WAIT_MS} ms`), WAIT_MS);
    const onAbort = (): void => fail('nobody wants the answer');
    signal.addEventListener('abort', onAbort);
    socket.on('error', (error: Error & { readonly code?: string }) => {
      fail(error.code ?? 'no name server');
    });
    socket.on('message', (bytes) => {
      const packet = decoded(() => codec.decode(bytes));
      // What is not the answer is somebody else's: the answer may still come.
      if (packet !== null && isAnswer(packet)) end(() => resolve(packet));
    });
    // Connected: the system lets nothing through but what the server sends.
    socket.connect(server.port, server.host, () => socket.send(query));
  });
}

function overTcp(
  codec: Codec,
  query: Buffer,
  { server, signal }: Question,
  isAnswer: (packet: DecodedPacket) => boolean,
): Promise<DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: server.host, port: server.port });
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new Error(reason));
    };
    const timer = setTimeout(() => fail(`no answer over TCP within ${WAIT_MS} ms`), WAIT_MS);
    const onAbort = (): void => fail('nobody wants the answer');
    signal.addEventListener('abort', onAbort);
    socket.on('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      reject(new Error('the name server ended the connection'));
    });
    socket.on('error', (error: Error & { readonly code?: string }) => fail(error.code ?? 'broken'));
    socket.on('connect', () => socket.write(query));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      const all = Buffer.concat(chunks);
      if (bytes < 2 || bytes < 2 + all.readUInt16BE(0)) return;
      const packet = decoded(() => codec.streamDecode(all) as DecodedPacket);
      if (packet === null || !isAnswer(packet)) fail('the name server answers something else');
      else {
        resolve(packet);
        socket.destroy();
      }
    });
  });
}

function decoded(decode: () => DecodedPacket): DecodedPacket | null {
  try {
    return decode();
  } catch {
    return null;
  }
}
