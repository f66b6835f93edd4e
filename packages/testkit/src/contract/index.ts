export {
  describeDruidContract,
  type ContractOptions,
  type DruidUnderTest,
} from './describe-druid-contract.js';
export type { ContractFeature } from './contract-features.js';
export type { ContractVersion } from './contract-version.js';
