/**
 * The schema of TLS on listeners.
 *
 * Thread: any (pure). A part of listen-nodes.ts.
 */
import {
  booleanNode,
  durationNode,
  lengthNode,
  listNode,
  objectNode,
  stringNode,
} from '../../schema/schema-node.js';
import { textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';
import { LISTENER_SPIFFE_NODE } from './spiffe-nodes.js';

const { tls } = DEFAULTS.listen;

const FILE_LENGTH = { minLength: 1, maxLength: 1024 };
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const EMAIL_TEXT = textShape('^[!-?A-~]{1,64}@[0-9A-Za-z.-]{1,255}$', 'an e-mail address');

/** As many as a hosting company has on one machine; contexts are made when they are asked for. */
const CERTIFICATES_MAX = 10_000;
const NAMES_MAX = 100;

const NAMES = {
  maxItems: NAMES_MAX,
  uniqueItems: true,
  minItems: 1,
};

const CERTIFICATE_NODE = objectNode(
  'ListenCertificateConfig',
  'A certificate and its private key, in PEM files. Both are read again when they change; a pair ' +
    'that does not fit changes nothing.',
  {
    cert: stringNode(
      'File with the certificate, then those that lead to its root. A relative path begins where ' +
        'the configuration file is.',
      FILE_LENGTH,
    ),
    key: stringNode('File with its private key, which has no passphrase.', FILE_LENGTH),
    names: listNode(
      'Names of hosts, or `*.` and a name, for which it is used. It must hold all of them.',
      lengthNode(1, 253),
      { 'x-absent': 'all names in the certificate', ...NAMES },
    ),
    ocsp: stringNode(
      'File with an OCSP response in DER, which clients that ask for it get. Keeping it fresh is ' +
        'the task of whoever writes the file.',
      { 'x-absent': 'none', ...FILE_LENGTH },
    ),
  },
  'cert',
  'key',
);

const CLIENT_CERTIFICATES_NODE = objectNode(
  'ClientCertificatesConfig',
  'Whether clients have certificates. One that does not verify is never let in. The ' +
    'authenticator `clientCertificate` makes a consumer of it.',
  {
    mode: stringNode('`require`: nobody gets in without one. `request`: it may be missing.', {
      enum: ['request', 'require'],
      default: tls.clientCertificates.mode,
    }),
    ca: stringNode('File with the authorities that sign them, in PEM.', FILE_LENGTH),
    crl: stringNode('File with the lists of those that were taken back (CRL), in PEM.', {
      'x-absent': 'none was taken back',
      ...FILE_LENGTH,
    }),
  },
  'ca',
);

const TICKETS_NODE = objectNode(
  'TlsTicketsConfig',
  'Keys by which clients come back without a full handshake. All threads have the same.',
  {
    file: stringNode(
      'File with 48 random bytes (`openssl rand 48`), for gateways that share clients. It is ' +
        'read again when it changes.',
      { 'x-absent': 'the gateway makes keys of its own', ...FILE_LENGTH },
    ),
    rotate: durationNode('How long the gateway uses keys of its own.', ['10m', '168h'], {
      default: tls.tickets.rotate,
    }),
  },
);

const ACME_NODE = objectNode(
  'AcmeConfig',
  'A certificate that the gateway gets by itself (ACME, RFC 8555) and renews when two thirds of ' +
    'its life are over. Needs `stateDir`, and the package `acme-client`.',
  {
    email: stringNode('Whom the authority tells of trouble.', { ...EMAIL_TEXT }),
    names: listNode('Names of hosts that the certificate is for.', lengthNode(1, 253), NAMES),
    directory: stringNode('URL of the authority.', {
      default: tls.acme.directory,
      minLength: 1,
      maxLength: 2048,
    }),
    directoryCa: stringNode(
      'File with the authority of the certificate that the directory itself has, in PEM.',
      { 'x-absent': 'the public ones that Node knows', ...FILE_LENGTH },
    ),
    challenge: stringNode(
      'How the names are proved. `http-01`: the authority asks at port 80, where a listener ' +
        'without TLS must answer. `tls-alpn-01`: at port 443, which is to be this listener.',
      { enum: ['http-01', 'tls-alpn-01'], default: tls.acme.challenge },
    ),
  },
  'email',
  'names',
);

/** `tls` of a listener. */
export const TLS_NODE = objectNode(
  'ListenTlsConfig',
  'Speaks TLS with clients. Needs `certificates`, `acme` or `spiffe`.',
  {
    certificates: listNode(
      'The certificates. The first one is for clients that name no server or an unknown one. For ' +
        'one name there may be one of each kind of key, ECDSA and RSA: a client gets the one it ' +
        'can verify. Of two that have the same name and kind the first one is taken.',
      CERTIFICATE_NODE,
      { maxItems: CERTIFICATES_MAX },
    ),
    minVersion: stringNode('Oldest version of TLS.', { enum: VERSIONS, default: tls.minVersion }),
    maxVersion: stringNode('Newest version of TLS.', { enum: VERSIONS, default: tls.maxVersion }),
    ciphers: stringNode("Ciphers of TLS 1.2 and 1.3 in OpenSSL's form, the best first.", {
      'x-absent': 'AES-GCM and ChaCha20 with forward secrecy, ECDSA before RSA',
      minLength: 1,
      maxLength: 4096,
    }),
    strictSni: booleanNode(
      'Refuses clients that name no server, or one that no certificate is for (alert ' +
        '`unrecognized_name`).',
      tls.strictSni,
    ),
    clientCertificates: CLIENT_CERTIFICATES_NODE,
    tickets: TICKETS_NODE,
    acme: ACME_NODE,
    spiffe: LISTENER_SPIFFE_NODE,
  },
);

/** The top-level field `stateDir`. */
export const STATE_DIR_NODE = stringNode(
  'Folder in which the gateway keeps what must outlive it: keys and certificates of ACME. It is ' +
    'made if it is not there, for the user of the gateway alone. A relative path begins where ' +
    'the configuration file is.',
  { 'x-absent': 'none; `acme` needs one', ...FILE_LENGTH },
);
