// Every limit that the readers of model files hold input to, with its reason. Together with the
// rule that nothing is allocated before the bytes it stands for have been seen, they keep what a
// refused file costs under 16 MiB and 100 ms.
#pragma once

#include <cstdint>

namespace bantam::limits {

// ---- GGUF -------------------------------------------------------------------------------------
// A key is a dotted name; the GGUF specification says at most 2^16 - 1 bytes.
inline constexpr std::uint64_t kGgufKeyBytes = 65'535;
// The GGUF specification says at most 64 bytes.
inline constexpr std::uint64_t kGgufNameBytes = 64;
// Models publish some 50 keys; what is kept about a key while its file is checked is 64 bytes.
inline constexpr std::uint64_t kGgufKeys = 65'536;
// The largest models published have some 2,000 tensors; 96 bytes are kept about each.
inline constexpr std::uint64_t kGgufTensors = 65'536;
// One string value: a chat template, a licence, a whole tokenizer.json (17 MB for Gemma).
inline constexpr std::uint64_t kGgufStringBytes = 64u << 20;
// One string of an array: a token or a merge. The longest published tokens have 256 bytes.
inline constexpr std::uint64_t kGgufElementBytes = 65'536;
// All strings of all arrays, each of which is walked over. The largest vocabularies have 262,144
// tokens and 580,604 merges.
inline constexpr std::uint64_t kGgufStrings = 2u << 20;
// All numbers of all arrays: scores and types of the tokens, character maps.
inline constexpr std::uint64_t kGgufNumbers = 8u << 20;
// Data alignment. 32 in practice; a page at most makes sense.
inline constexpr std::uint64_t kGgufLeastAlignment = 8;
inline constexpr std::uint64_t kGgufMostAlignment = 65'536;
// Parts of a split file; the name holds five digits, the key sixteen bits.
inline constexpr std::uint64_t kGgufParts = 1024;

// ---- safetensors ------------------------------------------------------------------------------
// The format allows 100 MB. 65,536 tensors need 7 MB, and what is kept of 8 MiB stays under 16.
inline constexpr std::uint64_t kSafetensorsHeaderBytes = 8u << 20;
// Tensors of one file, and of all files of a folder: a mixture of experts has one a matrix and
// expert (91,991 in the largest published).
inline constexpr std::uint64_t kSafetensorsTensors = 65'536;
inline constexpr std::uint64_t kFolderTensors = 1u << 20;
inline constexpr std::uint64_t kSafetensorsNameBytes = 512;
inline constexpr std::uint64_t kSafetensorsMetadataKeys = 4'096;
inline constexpr std::uint64_t kSafetensorsMetadataBytes = 1u << 20;
// Files of a folder and the list of what is in which.
inline constexpr std::uint64_t kShards = 1'024;
inline constexpr std::uint64_t kIndexBytes = 32u << 20;

// ---- Hugging Face folder ----------------------------------------------------------------------
inline constexpr std::uint64_t kConfigBytes = 1u << 20;           // config.json: a few KB
inline constexpr std::uint64_t kTokenizerConfigBytes = 8u << 20;  // up to 256 KB published
inline constexpr std::uint64_t kTokenizerBytes = 64u << 20;       // tokenizer.json: up to 33 MB
inline constexpr std::uint64_t kChatTemplateBytes = 1u << 20;     // up to 30 KB published
inline constexpr std::uint64_t kChatTemplates = 32;               // up to 3 published

// ---- Architecture, before the model's own checks ----------------------------------------------
inline constexpr std::uint64_t kLayers = 4'096;
inline constexpr std::uint64_t kExperts = 4'096;
inline constexpr std::uint64_t kHeads = 65'536;
inline constexpr std::uint64_t kWidth = 1u << 24;  // embedding, feed-forward, head width
inline constexpr std::uint64_t kVocabulary = 1u << 24;
inline constexpr std::uint64_t kContext = 1u << 30;

}  // namespace bantam::limits
