import { describe, expect, it } from 'vitest';
import { readTargetList } from '../../../../src/supervisor/discovery/read-target-list.js';

const inWords = (document: unknown): string[] =>
  readTargetList(document).map(({ host, port, name, weight, isBackup }) =>
    [`${host} ${port}`, name === host ? '' : name, weight, isBackup ? 'backup' : '']
      .filter((part) => part !== '')
      .join(' '),
  );

describe('a list of targets', () => {
  it('has texts, objects and groups as Prometheus has them', () => {
    expect(
      inWords([
        '10.0.0.1:80',
        '[2001:DB8:0::1]:8080',
        'Web-1.Internal.:81',
        { host: 'web-2', port: 82, weight: 5, backup: true, name: 'shop.test' },
        { targets: ['10.0.0.3:83', '10.0.0.4:83'], labels: { weight: '7', __meta_x: 'y' } },
        { targets: [] },
      ]),
    ).toEqual([
      '10.0.0.1 80 1',
      '2001:db8::1 8080 1',
      'web-1.internal 81 1',
      'web-2 82 shop.test 5 backup',
      '10.0.0.3 83 7',
      '10.0.0.4 83 7',
    ]);
    expect(inWords({ targets: ['10.0.0.1:80'] })).toEqual(['10.0.0.1 80 1']);
    expect(inWords([])).toEqual([]);
  });

  it.each([
    ['no list', null],
    ['no list', {}],
    ['no list', 'a:1'],
    ['a number', [1]],
    ['no port', ['10.0.0.1']],
    ['port 0', ['10.0.0.1:0']],
    ['a large port', ['10.0.0.1:65536']],
    ['a URL', ['http://10.0.0.1:80']],
    ['a path', ['10.0.0.1:80/x']],
    ['user information', ['u:p@10.0.0.1:80']],
    ['a line end', ['a\nb:80']],
    ['a zone', ['[fe80::1%eth0]:80']],
    ['a long name', [`${'a'.repeat(254)}:80`]],
    ['no host', [{ port: 80 }]],
    ['a text as port', [{ host: 'a', port: '80' }]],
    ['weight 0', [{ host: 'a', port: 80, weight: 0 }]],
    ['a large weight', [{ host: 'a', port: 80, weight: 1001 }]],
    ['backup as a word', [{ host: 'a', port: 80, backup: 'yes' }]],
    ['a wrong name', [{ host: 'a', port: 80, name: 'a b' }]],
    ['labels of a list', [{ targets: [], labels: [] }]],
    ['one wrong of several', ['10.0.0.1:80', { targets: ['10.0.0.2:80', 'x'] }]],
  ])('is none with %s', (_, document) => {
    expect(() => readTargetList(document)).toThrow(/must be|has no|is no/);
  });
});
