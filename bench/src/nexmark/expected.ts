import type { ComparableQuery } from './queries.js';
import type { RowHashResult } from './row-hash.js';

type Expected = Readonly<Record<ComparableQuery | 'all', RowHashResult>>;

const result = (outputs: number, hash: string): RowHashResult => ({ outputs, hash });

/**
 * The results of seed 0 by the number of events; `all` is the hash over every field of every event.
 * Apache Flink 2.3.0 gives the same, at parallelism 1 and 2.
 */
export const EXPECTED: ReadonlyMap<number, Expected> = new Map([
  [
    100_000,
    {
      all: result(100_000, '9ab97718ef66135f'),
      q0: result(92_000, 'c0e77ff6c005ec67'),
      q1: result(92_000, 'aa26a3fb03bdecd5'),
      q2: result(341, '405b72235efdb00f'),
      q3: result(551, '6e14128643c2bb8a'),
      q4: result(5, 'bb7ae9c957c41f09'),
      q5: result(11, '8e05529df26e8aef'),
      q7: result(1, '6b188e89f6e369d5'),
      q8: result(964, '4abfb45bf884e77f'),
      q9: result(5_576, 'b5291b19620c791c'),
      q11: result(1_921, '5484acb4d87b4a66'),
      q18: result(28_548, '711efc5b57f86034'),
      q19: result(43_953, '3d88e6a990728305'),
    },
  ],
  [
    1_000_000,
    {
      all: result(1_000_000, 'c94e7a23a21c75ce'),
      q0: result(920_000, '3451882cdb17ad21'),
      q1: result(920_000, 'd713cea4ea5e0a3e'),
      q2: result(6_817, '0e0d5acfc5bc9282'),
      q3: result(6_219, '4ef965e7c3645fcf'),
      q4: result(5, '4cd298f5cf14ce38'),
      q5: result(61, '4445fb85dbcd25ed'),
      q7: result(10, '9dbf14f4c95a7dea'),
      q8: result(8_447, 'e9b8ddaa936d8cc7'),
      q9: result(55_904, 'e345cfe5cfcb0b59'),
      q11: result(19_921, '5aa19be5ebf0658f'),
      q18: result(293_189, '4d7f5d305ee17e22'),
      q19: result(441_581, '128d88bd02450d0b'),
    },
  ],
  [
    5_000_000,
    {
      all: result(5_000_000, '04aa90c9b2c9cf11'),
      q0: result(4_600_000, '418be579c29c2a2e'),
      q1: result(4_600_000, '502cd29b467f62ed'),
      q2: result(37_438, 'cd91b2b3bb999136'),
      q3: result(29_344, '070efeb2d555264e'),
      q4: result(5, '372f365fbd50111e'),
      q5: result(270, '0e1ca577887db23a'),
      q7: result(50, '6c14cca7c0747f97'),
      q8: result(41_831, '7a79b1440bc1a146'),
      q9: result(279_535, '5ad5d36accd626bc'),
      q11: result(99_914, '5e69471666744dbe'),
      q18: result(1_467_585, '498dfd043987b949'),
      q19: result(2_205_946, '8291f24b250e0d60'),
    },
  ],
]);
