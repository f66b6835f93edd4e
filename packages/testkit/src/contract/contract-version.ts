/**
 * What Druid 27 and Druid 33 do differently, by name: every expectation of the contract that depends on the version.
 * All of it was seen on real servers.
 */

/** The releases whose answers the contract knows. */
export type ContractVersion = '33.0.0' | '27.0.0';

/** A refused statement. */
export interface ExpectedError {
  readonly status: number;
  readonly errorCode: string;
  readonly persona: string;
  readonly category: string;
  readonly message: string | RegExp;
}

/** What a version answers where the versions differ. */
export interface VersionAnswers {
  /** `AVG` of a BIGINT column: 27 gives an integer. */
  readonly averageOfIntegers: { readonly of10by4: number; readonly type: string; readonly sqlType: string };
  /** Whether `<>` and `not` find NULL: 27 has no three-valued logic. */
  readonly negationFindsNull: boolean;
  /** A result that is not in the order of time, whatever it is of: 27 cannot even order a join. */
  readonly unorderable: (column: string, of: 'scan' | 'join') => ExpectedError | undefined;
  readonly badTimestampLiteral: ExpectedError;
  /** The native filter `inType`, which is younger than 27. */
  readonly hasInTypeFilter: boolean;
  /** The answer to a task whose id is taken: 27 has no `errorCode`. */
  readonly takenTaskId: (id: string) => string;
  readonly badTaskState: string;
  readonly reportsSegmentsPublished: boolean;
  readonly unconvertibleLong: string;
  /** Whether TIMESTAMP parameters keep their milliseconds: 27 cuts them to whole seconds. */
  readonly timestampParametersHaveMillis: boolean;
  /** Status of a retention rule of an unknown type. */
  readonly unknownRuleStatus: number;
  /** The answer to `markUnused` and `markUsed`. */
  readonly marked: (count: number) => object;
  /** Where `markUsed` is: from 32 on at the Overlord. */
  readonly markUsedService: 'coordinator' | 'indexer';
  /** Whether unused segments can be listed. */
  readonly listsUnusedSegments: boolean;
}

const general = { errorCode: 'general', category: 'INVALID_INPUT', status: 400 } as const;

const answers: Readonly<Record<ContractVersion, VersionAnswers>> = {
  '33.0.0': {
    averageOfIntegers: { of10by4: 2.5, type: 'DOUBLE', sqlType: 'DOUBLE' },
    negationFindsNull: false,
    unorderable: (column, of) =>
      of === 'join'
        ? undefined
        : {
            ...general,
            persona: 'USER',
            message: `Query could not be planned. A possible reason is [SQL query requires ordering a table by non-time column [[${column}]], which is not supported.]`,
          },
    badTimestampLiteral: {
      status: 400,
      errorCode: 'invalidInput',
      persona: 'USER',
      category: 'INVALID_INPUT',
      message:
        "Illegal TIMESTAMP literal '2024-01-01 25:00:00': not in format 'yyyy-MM-dd HH:mm:ss' (line [1], column [8])",
    },
    hasInTypeFilter: true,
    takenTaskId: (id) =>
      `{"error":"druidException","errorCode":"entryAlreadyExists","persona":"USER","category":"INVALID_INPUT","errorMessage":"Task[${id}] already exists","context":{}}`,
    badTaskState: 'Invalid task state[bogus]. Must be one of [pending, waiting, running, complete].',
    reportsSegmentsPublished: true,
    unconvertibleLong: 'Could not convert value [abc] to long for dimension [n].',
    timestampParametersHaveMillis: true,
    unknownRuleStatus: 400,
    marked: (count) => ({ numChangedSegments: count, segmentStateChanged: count > 0 }),
    markUsedService: 'indexer',
    listsUnusedSegments: true,
  },
  '27.0.0': {
    averageOfIntegers: { of10by4: 2, type: 'LONG', sqlType: 'BIGINT' },
    negationFindsNull: true,
    unorderable: (column, of) => ({
      ...general,
      persona: 'ADMIN',
      message: `Query planning failed for unknown reason, our best guess is this [SQL query requires order by non-time column [[${column}${of === 'join' ? '0' : ''} ASC]], which is not supported.]`,
    }),
    badTimestampLiteral: {
      status: 500,
      errorCode: 'general',
      persona: 'DEVELOPER',
      category: 'UNCATEGORIZED',
      message:
        "Unable to parse the SQL, unrecognized error from calcite: [Illegal TIMESTAMP literal '2024-01-01 25:00:00': not in format 'yyyy-MM-dd HH:mm:ss']",
    },
    hasInTypeFilter: false,
    takenTaskId: (id) => `{"error":"Task [${id}] already exists."}`,
    badTaskState: 'Invalid state : bogus, valid values are: [pending, waiting, running, complete]',
    reportsSegmentsPublished: false,
    unconvertibleLong: 'could not convert value [abc] to long',
    timestampParametersHaveMillis: false,
    unknownRuleStatus: 500,
    marked: (count) => ({ numChangedSegments: count }),
    markUsedService: 'coordinator',
    listsUnusedSegments: false,
  },
};

/** What `version` answers. */
export const answersOf = (version: ContractVersion): VersionAnswers => answers[version];
