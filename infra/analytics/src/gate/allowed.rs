//! What user SQL may name. Everything that is not here is refused, so a new version of the engine opens nothing.
//!
//! Left out on purpose: whatever reads files, the network, dictionaries, other tables, settings, or facts about the
//! machine and the session; whatever takes the name of another function or a state of an aggregation as text; sleeping.

use std::{collections::HashSet, sync::LazyLock};

/// Tables that user SQL may read.
pub(crate) const TABLES: [&str; 2] = ["events", "run_metrics"];

/// Table functions: rows out of nothing.
pub(crate) const TABLE_FUNCTIONS: [&str; 3] = ["numbers", "generate_series", "generateSeries"];

/// Words of the grammar, in upper case as the engine's formatter writes them.
const KEYWORDS: &str = "
ALL AND ANTI ANY APPLY ARRAY AS ASC ASOF BETWEEN BY CASE COLLATE COLUMNS CROSS CUBE CURRENT DESC DISTINCT ELSE END
EXCEPT EXISTS FILL FINAL FIRST FOLLOWING FROM FULL GLOBAL GROUP GROUPING GROUPS HAVING ILIKE IN INNER INTERPOLATE
INTERSECT INTERVAL IS JOIN LAST LEFT LIKE LIMIT NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION PRECEDING
PREWHERE QUALIFY RANGE RECURSIVE REPLACE RIGHT ROLLUP ROW ROWS SELECT SEMI SETS STEP STRICT THEN TIES TO TOTALS
UNBOUNDED UNION USING WHEN WHERE WINDOW WITH";

/// Words of the grammar that change how a statement runs or where its output goes.
pub(crate) const FORBIDDEN: [&str; 8] = ["FORMAT", "INTO", "OUTFILE", "PARALLEL", "PASTE", "SAMPLE", "SETTINGS", "INSERT"];

/// Endings of an aggregate function that change what it is fed, not what it may reach.
pub(crate) const COMBINATORS: [&str; 9] =
    ["If", "Array", "Distinct", "OrNull", "OrDefault", "ForEach", "Map", "ArgMin", "ArgMax"];

/// Functions of one row.
const SCALARS: &str = "
abs accurateCast accurateCastOrDefault accurateCastOrNull acos acosh addDate addDays addHours addInterval
addMicroseconds addMilliseconds addMinutes addMonths addNanoseconds addQuarters addSeconds addWeeks addYears age
alphaTokens and appendTrailingCharIfAbsent array array_remove array_to_string arrayAll arrayAvg arrayBottomK
arrayCompact arrayConcat arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference arrayDistinct arrayDotProduct
arrayElement arrayElementOrNull arrayEnumerate arrayEnumerateDense arrayEnumerateDenseRanked arrayEnumerateUniq
arrayEnumerateUniqRanked arrayExcept arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull
arrayFlatten arrayFold arrayIntersect arrayJaccardIndex arrayJoin arrayLast arrayLastIndex arrayLastOrNull arrayMap
arrayMax arrayMin arrayPartialReverseSort arrayPartialShuffle arrayPartialSort arrayPopBack arrayPopFront
arrayProduct arrayPushBack arrayPushFront arrayRemove arrayResize arrayReverse arrayReverseFill arrayReverseSort
arrayReverseSplit arrayRotateLeft arrayRotateRight arrayShiftLeft arrayShiftRight arrayShuffle arraySlice arraySort
arraySplit arrayStringConcat arraySum arraySymmetricDifference arrayTopK arrayUnion arrayUniq arrayWithConstant
arrayZip arrayZipUnaligned ascii asin asinh assumeNotNull atan atan2 atanh avg2 bar base32Decode base32Encode
base58Decode base58Encode base64Decode base64Encode base64URLDecode base64URLEncode basename bin bitAnd bitCount
bitHammingDistance bitNot bitOr bitShiftLeft bitShiftRight bitTest bitTestAll bitTestAny bitXor byteHammingDistance
byteSlice byteSwap CARDINALITY caseFoldUTF8 caseWithExpr caseWithExpression caseWithoutExpr caseWithoutExpression
CAST cbrt ceil ceiling changeDay changeHour changeMinute changeMonth changeSecond changeYear char CHAR_LENGTH
CHARACTER_LENGTH cityHash64 clamp coalesce compareSubstrings concat concat_ws concatAssumeInjective
concatWithSeparator concatWithSeparatorAssumeInjective cos cosh cosineDistance countDigits countEqual countMatches
countMatchesCaseInsensitive countSubstrings countSubstringsCaseInsensitive countSubstringsCaseInsensitiveUTF8 CRC32
CRC32IEEE CRC64 curdate current_date current_timestamp cutFragment cutIPv6 cutQueryString cutQueryStringAndFragment
cutURLParameter cutWWW damerauLevenshteinDistance DATE date_bin DATE_DIFF date_diff DATE_FORMAT DATE_TRUNC dateDiff
dateName dateTimeToUUIDv7 dateTrunc DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR decodeHTMLComponent decodeURLComponent
decodeURLFormComponent decodeXMLComponent degrees digits divide divideDecimal divideOrNull domain domainRFC
domainWithoutWWW domainWithoutWWWRFC e editDistance editDistanceUTF8 empty encodeURLComponent encodeURLFormComponent
encodeXMLComponent endsWith endsWithCaseInsensitive endsWithCaseInsensitiveUTF8 endsWithUTF8 equals erf erfc exists
exp exp10 exp2 extract extractAll extractAllGroups extractAllGroupsHorizontal extractAllGroupsVertical extractGroups
extractKeyValuePairs extractKeyValuePairsWithEscaping extractURLParameter extractURLParameterNames
extractURLParameters factorial farmFingerprint64 farmHash64 firstNonDefault flatten floor format FORMAT_BYTES
formatDateTime formatReadableDecimalSize formatReadableQuantity formatReadableSize formatReadableTimeDelta fragment
FROM_BASE64 FROM_DAYS FROM_UNIXTIME from_utc_timestamp fromDaysSinceYearZero fromDaysSinceYearZero32
fromModifiedJulianDay fromModifiedJulianDayOrNull fromUnixTimestamp fromUnixTimestamp64Micro
fromUnixTimestamp64Milli fromUnixTimestamp64Nano fromUnixTimestamp64Second fromUTCTimestamp gcd generateUUIDv4
generateUUIDv7 geoDistance greatCircleAngle greatCircleDistance greater greaterOrEquals greatest halfMD5 has hasAll
hasAny hasSubsequence hasSubsequenceCaseInsensitive hasSubsequenceCaseInsensitiveUTF8 hasSubsequenceUTF8 hasSubstr
hasToken hasTokenCaseInsensitive hasTokenCaseInsensitiveOrNull hasTokenOrNull hex HOUR hypot if ifNotFinite ifNull
ilike indexOf indexOfAssumeSorted initcap initcapUTF8 instr intDiv intDivOrNull intDivOrZero intExp10 intExp2
intHash32 intHash64 IPv4NumToString IPv4NumToStringClassC IPv4StringToNum IPv4StringToNumOrDefault
IPv4StringToNumOrNull IPv4ToIPv6 IPv6NumToString IPv6StringToNum IPv6StringToNumOrDefault IPv6StringToNumOrNull
isASCII isDecimalOverflow isDistinctFrom isFinite isInfinite isIPAddressInRange isIPv4String isIPv6String isNaN
isNotDistinctFrom isNotNull isNull isPrime isProbablePrime isValidASCII isValidJSON isValidUTF8 isZeroOrNull
jaroSimilarity jaroWinklerSimilarity javaHash javaHashUTF16LE JSON_ARRAY_LENGTH JSON_EXISTS JSON_QUERY JSON_VALUE
JSONAllPaths JSONAllValues JSONArrayLength JSONExtract JSONExtractArrayRaw JSONExtractArrayRawCaseInsensitive
JSONExtractBool JSONExtractBoolCaseInsensitive JSONExtractCaseInsensitive JSONExtractFloat
JSONExtractFloatCaseInsensitive JSONExtractInt JSONExtractIntCaseInsensitive JSONExtractKeys
JSONExtractKeysAndValues JSONExtractKeysAndValuesCaseInsensitive JSONExtractKeysAndValuesRaw
JSONExtractKeysAndValuesRawCaseInsensitive JSONExtractKeysCaseInsensitive JSONExtractRaw
JSONExtractRawCaseInsensitive JSONExtractString JSONExtractStringCaseInsensitive JSONExtractUInt
JSONExtractUIntCaseInsensitive JSONHas JSONKey JSONLength JSONMergePatch jsonMergePatch JSONType jumpConsistentHash
LAST_DAY lcase lcm least left leftPad leftPadUTF8 leftUTF8 length lengthUTF8 less lessOrEquals levenshteinDistance
levenshteinDistanceUTF8 lgamma like ln localtime localtimestamp locate log log10 log1p log2 lower lowerUTF8 lpad
ltrim makeDate makeDateTime makeDateTime64 map MAP_FROM_ARRAYS mapAdd mapAll mapApply mapConcat mapContains
mapContainsKey mapContainsKeyLike mapContainsValue mapContainsValueLike mapExists mapExtractKeyLike
mapExtractValueLike mapFilter mapFromArrays mapFromString mapKeys mapPartialReverseSort mapPartialSort
mapReverseSort mapSort mapSubtract mapUpdate mapValues match materialize max2 MD5 metroHash64 MICROSECOND mid
midpoint MILLISECOND min2 minus MINUTE mismatches mod modOrNull modulo moduloLegacy moduloOrNull moduloOrZero MONTH
monthName multiIf multiply multiplyDecimal multiSearchAllPositions multiSearchAllPositionsCaseInsensitive
multiSearchAllPositionsCaseInsensitiveUTF8 multiSearchAllPositionsUTF8 multiSearchAny multiSearchAnyCaseInsensitive
multiSearchAnyCaseInsensitiveUTF8 multiSearchAnyUTF8 multiSearchFirstIndex multiSearchFirstIndexCaseInsensitive
multiSearchFirstIndexCaseInsensitiveUTF8 multiSearchFirstIndexUTF8 multiSearchFirstPosition
multiSearchFirstPositionCaseInsensitive multiSearchFirstPositionCaseInsensitiveUTF8 multiSearchFirstPositionUTF8
murmurHash2_32 murmurHash2_64 murmurHash3_128 murmurHash3_32 murmurHash3_64 NANOSECOND negate netloc ngrams
normalizeUTF8NFC normalizeUTF8NFD normalizeUTF8NFKC normalizeUTF8NFKCCasefold normalizeUTF8NFKD not notEmpty
notEquals notILike notLike now now64 nullIf OCTET_LENGTH or overlay overlayUTF8 parseDateTime
parseDateTime32BestEffort parseDateTime32BestEffortOrNull parseDateTime32BestEffortOrZero parseDateTime64
parseDateTime64BestEffort parseDateTime64BestEffortOrNull parseDateTime64BestEffortOrZero parseDateTime64OrNull
parseDateTime64OrZero parseDateTimeBestEffort parseDateTimeBestEffortOrNull parseDateTimeBestEffortOrZero
parseDateTimeOrNull parseDateTimeOrZero parseReadableSize parseReadableSizeOrNull parseReadableSizeOrZero
parseTimeDelta path pathFull pi plus pmod pmodOrNull port portRFC position positionCaseInsensitive
positionCaseInsensitiveUTF8 positionUTF8 positive_modulo positive_modulo_or_null positiveModulo positiveModuloOrNull
pow power prettyPrintJSON printf proportionsZTest protocol QUARTER queryString queryStringAndFragment radians rand
rand32 rand64 range REGEXP_EXTRACT regexp_instr REGEXP_MATCHES REGEXP_REPLACE REGEXP_SUBSTR regexpExtract
regexpInstr regexpPosition regexpQuoteMeta removeDiacriticsUTF8 repeat replace replaceAll replaceOne
replaceRegexpAll replaceRegexpOne replicate reverse reverseBySeparator reverseUTF8 right rightPad rightPadUTF8
rightUTF8 round roundBankers roundDown roundToExp2 rowNumberInAllBlocks rpad rtrim SECOND seriesDecomposeSTL
seriesOutliersDetectTukey SHA1 SHA224 SHA256 SHA384 SHA512 SHA512_256 sign simpleJSONExtractBool
simpleJSONExtractFloat simpleJSONExtractInt simpleJSONExtractRaw simpleJSONExtractString simpleJSONExtractUInt
simpleJSONHas sin sinh sipHash128 sipHash64 space splitByAlpha splitByChar splitByNonAlpha splitByRegexp
splitByString splitByWhitespace sqr sqrt startsWith startsWithCaseInsensitive startsWithCaseInsensitiveUTF8
startsWithUTF8 str_to_date str_to_map stringBytesEntropy stringBytesUniq stringJaccardIndex stringJaccardIndexUTF8
subDate substr substring SUBSTRING_INDEX substringIndex substringUTF8 subtractDays subtractHours subtractInterval
subtractMicroseconds subtractMilliseconds subtractMinutes subtractMonths subtractNanoseconds subtractQuarters
subtractSeconds subtractWeeks subtractYears tan tanh tgamma time_bucket timeDiff timeSlot timestamp TIMESTAMP_DIFF
timestamp_diff timestampDiff timeZoneOf timezoneOf timeZoneOffset timezoneOffset TO_BASE64 TO_DAYS TO_UNIXTIME
to_utc_timestamp toBFloat16 toBFloat16OrNull toBFloat16OrZero toBool toDate toDate32 toDate32OrDefault
toDate32OrNull toDate32OrZero toDateOrDefault toDateOrNull toDateOrZero toDateTime toDateTime32 toDateTime64
toDateTime64OrDefault toDateTime64OrNull toDateTime64OrZero toDateTimeOrDefault toDateTimeOrNull toDateTimeOrZero
today toDayOfMonth toDayOfWeek toDayOfYear toDaysInMonth toDaysSinceYearZero toDecimal128 toDecimal128OrDefault
toDecimal128OrNull toDecimal128OrZero toDecimal256 toDecimal256OrDefault toDecimal256OrNull toDecimal256OrZero
toDecimal32 toDecimal32OrDefault toDecimal32OrNull toDecimal32OrZero toDecimal64 toDecimal64OrDefault
toDecimal64OrNull toDecimal64OrZero toDecimalString toFixedString toFloat32 toFloat32OrDefault toFloat32OrNull
toFloat32OrZero toFloat64 toFloat64OrDefault toFloat64OrNull toFloat64OrZero toHour toInt128 toInt128OrDefault
toInt128OrNull toInt128OrZero toInt16 toInt16OrDefault toInt16OrNull toInt16OrZero toInt256 toInt256OrDefault
toInt256OrNull toInt256OrZero toInt32 toInt32OrDefault toInt32OrNull toInt32OrZero toInt64 toInt64OrDefault
toInt64OrNull toInt64OrZero toInt8 toInt8OrDefault toInt8OrNull toInt8OrZero toIntervalDay toIntervalHour
toIntervalMicrosecond toIntervalMillisecond toIntervalMinute toIntervalMonth toIntervalNanosecond toIntervalQuarter
toIntervalSecond toIntervalWeek toIntervalYear toIPv4 toIPv4OrDefault toIPv4OrNull toIPv4OrZero toIPv6
toIPv6OrDefault toIPv6OrNull toIPv6OrZero toISOWeek toISOYear toJSONString tokens toLastDayOfMonth toLastDayOfWeek
toLowCardinality toMicrosecond toMillisecond toMinute toModifiedJulianDay toModifiedJulianDayOrNull toMonday toMonth
toMonthNumSinceEpoch toNanosecond toNullable topLevelDomain topLevelDomainRFC toQuarter toRelativeDayNum
toRelativeHourNum toRelativeMinuteNum toRelativeMonthNum toRelativeQuarterNum toRelativeSecondNum toRelativeWeekNum
toRelativeYearNum toSecond toStartOfDay toStartOfFifteenMinutes toStartOfFiveMinute toStartOfFiveMinutes
toStartOfHour toStartOfInterval toStartOfISOYear toStartOfMicrosecond toStartOfMillisecond toStartOfMinute
toStartOfMonth toStartOfNanosecond toStartOfQuarter toStartOfSecond toStartOfTenMinutes toStartOfWeek toStartOfYear
toString toStringCutToZero toTime toTime64 toTime64OrNull toTime64OrZero toTimeOrNull toTimeOrZero
toTimeWithFixedDate toTimeZone toTimezone toTypeName toUInt128 toUInt128OrDefault toUInt128OrNull toUInt128OrZero
toUInt16 toUInt16OrDefault toUInt16OrNull toUInt16OrZero toUInt256 toUInt256OrDefault toUInt256OrNull
toUInt256OrZero toUInt32 toUInt32OrDefault toUInt32OrNull toUInt32OrZero toUInt64 toUInt64OrDefault toUInt64OrNull
toUInt64OrZero toUInt8 toUInt8OrDefault toUInt8OrNull toUInt8OrZero toUnixTimestamp toUnixTimestamp64Micro
toUnixTimestamp64Milli toUnixTimestamp64Nano toUnixTimestamp64Second toUTCTimestamp toUUID toUUIDOrDefault
toUUIDOrNull toUUIDOrZero toValidUTF8 toWeek toYear toYearNumSinceEpoch toYearWeek toYYYYMM toYYYYMMDD
toYYYYMMDDhhmmss transform translate translateUTF8 trim trimBoth trimLeft trimRight trunc truncate tryBase32Decode
tryBase58Decode tryBase64Decode tryBase64URLDecode tuple tupleConcat tupleDivide tupleElement tupleMinus
tupleMultiply tupleNames tupleNegate tuplePlus tupleToNameValuePairs ucase unbin unhex unnest upper upperUTF8
URLHash URLHierarchy URLPathHierarchy UUIDNumToString UUIDStringToNum UUIDToNum UUIDv7ToDateTime visibleWidth
visitParamExtractBool visitParamExtractFloat visitParamExtractInt visitParamExtractRaw visitParamExtractString
visitParamExtractUInt visitParamHas week width_bucket widthBucket wyHash64 xor xxh3 xxh3_128 xxHash32 xxHash64
xxHash64Spark YEAR yearweek yesterday";

/// Functions of many rows: aggregates and window functions.
const AGGREGATES: &str = "
any any_respect_nulls any_value any_value_respect_nulls anyHeavy anyLast anyLast_respect_nulls anyLastRespectNulls
anyRespectNulls anyValueRespectNulls approx_top_count approx_top_k approx_top_sum argAndMax argAndMin argMax argMin
array_agg array_concat_agg avg avgWeighted BIT_AND BIT_OR BIT_XOR corr corrStable count COVAR_POP COVAR_SAMP
covarPop covarPopStable covarSamp covarSampStable cume_dist deltaSum dense_rank denseRank entropy
exponentialMovingAverage exponentialTimeDecayedAvg exponentialTimeDecayedCount exponentialTimeDecayedMax
exponentialTimeDecayedSum first_value first_value_respect_nulls firstValueRespectNulls group_concat groupArray
groupArrayInsertAt groupArrayIntersect groupArrayLast groupArrayMovingAvg groupArrayMovingSum groupArraySample
groupArraySorted groupBitAnd groupBitOr groupBitXor groupConcat groupUniqArray histogram intervalLengthSum
kolmogorovSmirnovTest lag lagInFrame last_value last_value_respect_nulls lastValueRespectNulls lead leadInFrame
mannWhitneyUTest max max_by maxMappedArrays meanZTest median medianBFloat16 medianBFloat16Weighted medianDD
medianDeterministic medianExact medianExactHigh medianExactLow medianExactWeighted medianExactWeightedInterpolated
medianGK medianInterpolatedWeighted medianTDigest medianTDigestWeighted medianTiming medianTimingWeighted min min_by
minMappedArrays nonNegativeDerivative nth_value ntile percent_rank percentRank quantile quantileBFloat16
quantileBFloat16Weighted quantileDD quantileDeterministic quantileExact quantileExactExclusive quantileExactHigh
quantileExactInclusive quantileExactLow quantileExactWeighted quantileExactWeightedInterpolated quantileGK
quantileInterpolatedWeighted quantiles quantilesBFloat16 quantilesBFloat16Weighted quantilesDD
quantilesDeterministic quantilesExact quantilesExactExclusive quantilesExactHigh quantilesExactInclusive
quantilesExactLow quantilesExactWeighted quantilesExactWeightedInterpolated quantilesGK
quantilesInterpolatedWeighted quantilesTDigest quantilesTDigestWeighted quantilesTiming quantilesTimingWeighted
quantileTDigest quantileTDigestWeighted quantileTiming quantileTimingWeighted rank rankCorr retention row_number
sequenceCount sequenceMatch sequenceMatchEvents simpleLinearRegression sparkBar sparkbar STD STDDEV STDDEV_POP
STDDEV_SAMP stddevPop stddevPopStable stddevSamp stddevSampStable string_agg studentTTest studentTTestOneSample sum
sumCount sumKahan sumMapFiltered sumMapFilteredWithOverflow sumMappedArrays sumMapWithOverflow sumWithOverflow topK
topKWeighted uniq uniqCombined uniqCombined64 uniqExact uniqHLL12 uniqUpTo VAR_POP VAR_SAMP varPop varPopStable
varSamp varSampStable welchTTest windowFunnel";

/// Whether `word` is a word of the grammar.
pub(crate) fn is_keyword(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| KEYWORDS.split_ascii_whitespace().collect());
    WORDS.contains(word)
}

/// Whether a function may be called. The engine itself ignores the case of some names; no two that it tells apart by
/// case differ in what they may reach.
pub(crate) fn is_function(name: &str) -> bool {
    static SCALAR: LazyLock<HashSet<String>> = LazyLock::new(|| lower(SCALARS));
    SCALAR.contains(&name.to_ascii_lowercase()) || is_aggregate(name)
}

fn is_aggregate(name: &str) -> bool {
    static AGGREGATE: LazyLock<HashSet<String>> = LazyLock::new(|| lower(AGGREGATES));
    if AGGREGATE.contains(&name.to_ascii_lowercase()) {
        return true;
    }
    COMBINATORS.iter().filter_map(|ending| name.strip_suffix(ending)).any(|rest| !rest.is_empty() && is_aggregate(rest))
}

fn lower(names: &str) -> HashSet<String> {
    names.split_ascii_whitespace().map(str::to_ascii_lowercase).collect()
}
