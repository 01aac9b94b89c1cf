/**
 * A step of the build: compiles the configuration's schema to a file beside the compiled code.
 *
 * Thread: any (pure), in a process of its own.
 */
import { writeFileSync } from 'node:fs';
import standalone from 'ajv/dist/standalone/index.js';
import {
  PRECOMPILED_FILE,
  schemaCompiler,
  schemaDigest,
  sharedSchema,
} from '../config/schema/config-validator.js';

const ajv = schemaCompiler(true);
const code = standalone.default(ajv, ajv.compile(sharedSchema()));
writeFileSync(
  PRECOMPILED_FILE,
  [
    `exports.digest = '${schemaDigest()}';`,
    // Brackets make V8 compile the function while it reads the file, which saves a second reading.
    'exports.create = (function (require) {',
    'const module = { exports: {} };',
    code,
    'return module.exports;',
    '});',
    '',
  ].join('\n'),
);
