#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string_view>

namespace bantam {
namespace {

std::string digest(std::string_view text, std::size_t piece) {
  Sha256 sha;
  for (std::size_t at = 0; at < text.size(); at += piece)
    sha.add(std::as_bytes(std::span(text.substr(at, piece))));
  return sha.hexadecimal();
}

// The examples that come with the standard.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(digest("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a'), 1'000'000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowBytesAreCut) {
  const std::string text(517, 'x');
  for (std::size_t length = 0; length <= text.size(); length += 11)
    for (const std::size_t piece : {1U, 7U, 63U, 64U, 65U, 200U})
      EXPECT_EQ(digest(text.substr(0, length), piece), digest(text.substr(0, length), 1000));
}

}  // namespace
}  // namespace bantam
