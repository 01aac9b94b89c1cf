/**
 * A step of the build: compiles the configuration's schema to a file beside the compiled code.
 *
 * Thread: any (pure), in a process of its own.
 */
import { writeFileSync } from 'node:fs';
import standalone from 'ajv/dist/standalone/index.js';
import { CONFIG_SCHEMA } from './schema.js';
import { PRECOMPILED_FILE, schemaCompiler, schemaDigest } from './schema-validator.js';

const ajv = schemaCompiler(true);
const code = standalone.default(ajv, ajv.compile(CONFIG_SCHEMA));
writeFileSync(
  PRECOMPILED_FILE,
  [
    `exports.digest = '${schemaDigest()}';`,
    'exports.create = (require) => {',
    'const module = { exports: {} };',
    code,
    'return module.exports;',
    '};',
    '',
  ].join('\n'),
);
