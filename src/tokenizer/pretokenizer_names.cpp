#include "tokenizer/pretokenizer_names.h"

#include <algorithm>

#include "tokenizer/word_splitter.h"

namespace bantam {
namespace {

using Text = std::string_view;

// clang-format off
constexpr Text kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr Text kLlama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kQwen35 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kUfakzeka = R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kMiniCpm5 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kBailing = R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr Text kSeedCoder = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kGpt4o = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kTekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kYoutu = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Capitals, small letters and the rest as in GPT-4o, but no Chinese characters in words.
constexpr Text kKimiK2 = R"(\p{Han}+|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])*(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])+(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kExaoneMoe = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr Text kDeepSeek3 = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Text kSpark = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";
constexpr Text kHanKana = R"([一-龥)" "\u3040" R"(-ゟ゠-ヿ]+)";
constexpr Text kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
constexpr Text kDigit = R"(\p{N})";
constexpr Text kDigits = R"(\p{N}+)";
constexpr Text kThreeDigits = R"(\p{N}{1,3})";
constexpr Text kThreeAscii = "[0-9][0-9][0-9]";
constexpr Text kNewline = R"([\r\n])";
// Some of these characters have another form under NFC; they are spelled as escapes to stay.
constexpr Text kDeepSeekLetters = R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-)" "\u1F7D" R"(ᾀ-ᾴᾶ-ᾼ)" "\u1FBE" R"(ῂ-ῄῆ-ῌῐ-)" "\u1FD3" R"(ῖ-)" "\u1FDB" R"(ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ)" "\u2126" R"(ℨ)" "\u212A" R"(-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr Text kDeepSeekMarks = R"(\s?[!-/:-~！-／：-～‘-‟)" "\u3000" R"(-。]+)";
constexpr Text kDeepSeekCjk = R"([一-龥ࠀ-一가-)" "\uD7FF" R"(]+)";
constexpr Text kFalconMarks = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr Text kDefaultMarks = R"([\p{P}\$\+<=>\^~\|]+)";
constexpr Text kYoutuAsian = R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥)" "\u3040" R"(-ゟ゠-ヿ]+)";
constexpr Text kAfmoeAsian = R"([一-\x{9FFF}㐀-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-ゟ゠-ヿ･-ﾟ⼀-\x{2FDF}เ-\x{0E7F}\x{0E80}-\x{0EFF}ក-\x{17FF}က-႟ꩠ-ꩿꧠ-\x{A9FF}가-\x{D7AF}ᄀ-ᇿ]+)";
constexpr Text kLines = R"([^\n]+|[\n]+)";

constexpr Text kPlain[] = {kDefaultMarks, kGpt2, kDigits, kThreeAscii};
constexpr Text kGpt2Steps[] = {kGpt2};
constexpr Text kLlama3Steps[] = {kLlama3};
constexpr Text kQwen2Steps[] = {kQwen2};
constexpr Text kQwen35Steps[] = {kQwen35};
constexpr Text kUfakzekaSteps[] = {kUfakzeka};
constexpr Text kMiniCpm5Steps[] = {kThreeDigits, kMiniCpm5};
constexpr Text kBailingSteps[] = {kBailing};
constexpr Text kSeedCoderSteps[] = {kSeedCoder};
constexpr Text kGpt4oSteps[] = {kGpt4o};
constexpr Text kTekkenSteps[] = {kTekken};
constexpr Text kYoutuSteps[] = {kYoutuAsian, kYoutu};
constexpr Text kKimiK2Steps[] = {kKimiK2};
constexpr Text kExaoneMoeSteps[] = {kExaoneMoe};
constexpr Text kDeepSeek3Steps[] = {kThreeDigits, kHanKana, kDeepSeek3};
constexpr Text kSparkSteps[] = {kThreeDigits, kHanKana, kSpark, kDigit};
constexpr Text kDeepSeekLlmSteps[] = {kNewline, kDeepSeekLetters, kDeepSeekMarks,
    kLineEndPattern, kDeepSeekCjk, kDigits};
constexpr Text kDeepSeekCoderSteps[] = {kNewline, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekCjk, kDigit};
constexpr Text kFalconSteps[] = {kFalconMarks, kGpt2, kThreeAscii};
constexpr Text kDigitSteps[] = {kDigit, kGpt2};
constexpr Text kBloomSteps[] = {kBloom};
constexpr Text kVikingSteps[] = {kBloom, kDigit};
constexpr Text kTinyAyaSteps[] = {kThousandsInWordsPattern, kGpt4o};
constexpr Text kSuperBpeSteps[] = {kDigits, kThousandsPattern};
constexpr Text kAfmoeSteps[] = {kThousandsPattern, kAfmoeAsian, kDeepSeek3};
constexpr Text kLagunaSteps[] = {kLines, kQwen2};
constexpr Text kChameleonSteps[] = {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", R"([\t\n]|    |  )", kDigit, R"([\p{P}!-/:-@\[-`{-~])", kGpt2};

constexpr bool kIgnoreMerges = true, kAddBos = true, kAddSeparator = true, kCompose = true;

constexpr PretokenizerInfo kKnown[] = {
    {"default", kPlain},
    {"gpt-2", kGpt2Steps},
    {"phi-2", kGpt2Steps},
    {"mpt", kGpt2Steps, false, false, false, kCompose},
    {"olmo", kGpt2Steps, false, false, false, kCompose},
    {"jais", kGpt2Steps},
    {"trillion", kGpt2Steps},
    {"granite-docling", kGpt2Steps},
    {"exaone4", kGpt2Steps},
    {"jina-es", kGpt2Steps},
    {"jina-de", kGpt2Steps},
    {"jina-v2-es", kGpt2Steps},
    {"jina-v2-de", kGpt2Steps},
    {"gigachat", kGpt2Steps},
    {"a.x-4.0", kGpt2Steps},
    {"mellum", kGpt2Steps},
    {"modern-bert", kGpt2Steps, false, false, false, kCompose},
    {"jina-v1-en", kGpt2Steps, false, false, kAddSeparator},
    {"jina-v2-code", kGpt2Steps, false, false, kAddSeparator},
    {"roberta-bpe", kGpt2Steps, false, false, kAddSeparator},
    {"llama-bpe", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"llama3", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"llama-v3", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"falcon3", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"falcon-h1", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"pixtral", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"midm-2.0", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"lfm2", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"jina-v5-nano", kLlama3Steps, kIgnoreMerges, kAddBos},
    {"dbrx", kLlama3Steps},
    {"smaug-bpe", kLlama3Steps},
    {"glm4", kLlama3Steps},
    {"chatglm-bpe", kLlama3Steps},
    {"gpt-4", kLlama3Steps},
    {"minicpm5", kMiniCpm5Steps, kIgnoreMerges},
    {"qwen2", kQwen2Steps, false, false, false, kCompose},
    {"deepseek-r1-qwen", kQwen2Steps, false, false, false, kCompose},
    {"kormo", kQwen2Steps},
    {"f2llmv2", kQwen2Steps, false, false, false, kCompose},
    {"megrez", kQwen2Steps, false, false, false, kCompose},
    {"stablelm2", kQwen2Steps},
    {"hunyuan", kQwen2Steps},
    {"solar-open", kQwen2Steps},
    {"grok-2", kQwen2Steps},
    {"laguna", kLagunaSteps},
    {"qwen35", kQwen35Steps, false, false, false, kCompose},
    {"ufakzeka", kUfakzekaSteps},
    {"gpt-4o", kGpt4oSteps},
    {"llama4", kGpt4oSteps},
    {"kanana2", kGpt4oSteps},
    {"talkie", kGpt4oSteps},
    {"minimax-m2", kGpt4oSteps},
    {"granite-embed-multi-97m", kGpt4oSteps, kIgnoreMerges},
    {"tekken", kTekkenSteps, kIgnoreMerges, kAddBos},
    {"youtu", kYoutuSteps, kIgnoreMerges},
    {"kimi-k2", kKimiK2Steps},
    {"tiny_aya", kTinyAyaSteps},
    {"cohere2moe", kTinyAyaSteps},
    {"bailingmoe", kBailingSteps},
    {"bailingmoe2", kBailingSteps},
    {"llada-moe", kBailingSteps},
    {"seed-coder", kSeedCoderSteps},
    {"exaone-moe", kExaoneMoeSteps},
    {"deepseek-llm", kDeepSeekLlmSteps},
    {"deepseek-coder", kDeepSeekCoderSteps},
    {"deepseek-v3", kDeepSeek3Steps},
    {"hunyuan-dense", kDeepSeek3Steps},
    {"joyai-llm", kDeepSeek3Steps},
    {"hy_v4", kDeepSeek3Steps},
    {"spark2_5", kSparkSteps},
    {"afmoe", kAfmoeSteps},
    {"falcon", kFalconSteps},
    {"starcoder", kDigitSteps},
    {"refact", kDigitSteps},
    {"command-r", kDigitSteps, false, false, false, kCompose},
    {"smollm", kDigitSteps},
    {"codeshell", kDigitSteps},
    {"exaone", kDigitSteps},
    {"minerva-7b", kDigitSteps},
    {"mellum2", kDigitSteps},
    {"bloom", kBloomSteps},
    {"poro-chat", kBloomSteps},
    {"gpt3-finnish", kBloomSteps},
    {"viking", kVikingSteps},
    {"superbpe", kSuperBpeSteps},
    {"chameleon", kChameleonSteps, false, kAddBos},
};

struct KnownWords {
  Text pattern;
  WordRules rules;
};

using Style = WordRules::Style;
constexpr KnownWords kKnownWords[] = {
    {kGpt2, {.style = Style::kGpt2}},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", {.style = Style::kGpt2}},
    {kLlama3, {.style = Style::kGpt4, .digits = 3}},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)", {.style = Style::kGpt4, .digits = 3}},
    {kQwen2, {.style = Style::kGpt4, .digits = 1}},
    {kBailing, {.style = Style::kGpt4, .digits = 1}},
    {kUfakzeka, {.style = Style::kGpt4, .digits = 1, .contractions = false}},
    {kQwen35, {.style = Style::kGpt4, .digits = 1, .marks_are_letters = true}},
    {kGpt4o, {.style = Style::kGpt4o, .digits = 3, .slash = true}},
    {kYoutu, {.style = Style::kGpt4o, .digits = 1, .slash = true}},
    {kTekken, {.style = Style::kGpt4o, .digits = 1, .contractions = false, .slash = true}},
};
// clang-format on

}  // namespace

const PretokenizerInfo* find_pretokenizer(std::string_view name) {
  const auto* found = std::ranges::find(kKnown, name, &PretokenizerInfo::name);
  return found == std::end(kKnown) ? nullptr : found;
}

std::span<const PretokenizerInfo> known_pretokenizers() { return kKnown; }

const WordRules* known_word_rules(std::string_view pattern) {
  const auto* found = std::ranges::find(kKnownWords, pattern, &KnownWords::pattern);
  return found == std::end(kKnownWords) ? nullptr : &found->rules;
}

}  // namespace bantam
