import { describe, expect, it } from 'vitest';
import type { CompiledUpstream } from '../../../src/config/compiled-config.js';
import { ConfigWarnings, type WarnedOf } from '../../../src/supervisor/config-warnings.js';
import { recordingLogger } from '../../support/recording-logger.js';

function upstream(name: string, address: string): CompiledUpstream {
  const tls = [{ verifies: false, pins: [] }];
  return { name, tls, targets: [{ host: address }] } as unknown as CompiledUpstream;
}

function config(memoryQuotaBytes: number | null, ...upstreams: CompiledUpstream[]): WarnedOf {
  const memoryBytes = memoryQuotaBytes ?? 1 << 30;
  const machine = { cores: 2, cpuQuota: null, memoryBytes, memoryQuotaBytes, sharesPorts: true };
  return { documents: [], upstreams, acceptors: 1, workers: 1, machine };
}

describe('warnings about a configuration', () => {
  it('are given once, until what they are about goes and comes again', () => {
    const lines: string[] = [];
    const warnings = new ConfigWarnings(
      recordingLogger(({ msg, upstream: name }) => lines.push(`${name ?? '-'}: ${msg}`)),
    );
    const told = (next: WarnedOf): string[] => {
      lines.length = 0;
      warnings.tell(next);
      return lines.map((line) => line.slice(0, 20));
    };
    const [unverified, lack] = ['a: certificates of t', '-: the memory limit '];
    expect(told(config(1 << 20, upstream('a', '10.0.0.1')))).toEqual([unverified, lack]);
    expect(told(config(1 << 20, upstream('a', '10.0.0.2')))).toEqual([]);
    expect(told(config(null, upstream('a', '10.0.0.2'), upstream('b', '10.0.0.3')))).toEqual([
      'b: certificates of t',
    ]);
    expect(told(config(2 << 20, upstream('a', '10.0.0.2')))).toEqual([lack]);
    expect(told(config(3 << 20, upstream('a', '10.0.0.2')))).toEqual([lack]);
  });
});
