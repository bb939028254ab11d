// Bytes to requests. Boost.Beast takes the grammar apart; the rules around it are ours.
//
// Fed with what has arrived so far, it consumes a prefix and stops at two points: when the head is
// complete and has passed check_framing (so that the caller may route, refuse or send 100 Continue
// before a body comes in), and at the end of the body. Trailers are read and dropped. Memory is
// that of the bytes received, never of the length announced. Not thread safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/http_message.h"
#include "server/request_rules.h"

namespace bantam {

class RequestParser {
 public:
  enum class State : std::uint8_t { kHead, kHeadDone, kBody, kDone, kFailed };

  explicit RequestParser(const HttpLimits& limits);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // Consumes from the front of `unread` and says how many bytes; the caller presents the rest
  // again, with more behind it. Does nothing in kHeadDone, kDone and kFailed.
  std::size_t consume(std::string_view unread);
  // From kHeadDone on to kBody, or to kDone if there is no body.
  void accept_body();

  State state() const;
  const HttpError& error() const;  // in kFailed
  // Whether any byte of a request has been consumed or looked at: a timeout before is no fault.
  bool begun() const;

  const RequestHead& head() const;        // from kHeadDone on
  const RequestFraming& framing() const;  // from kHeadDone on
  std::size_t body_size() const;
  std::size_t body_capacity() const;  // memory held for it
  std::string take_body();            // in kDone

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bantam
