#include "server/request_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>
#include <utility>

#include "base/result.h"

namespace bantam {
namespace {

namespace http = boost::beast::http;
using boost::core::string_view;
using boost::system::error_code;

// A chunk header with its extensions, or a trailer, that does not fit is refused.
constexpr std::size_t kMaxChunkHeader = 4096;

// Collects what Beast's parser finds. Fields after the head are trailers, and dropped.
class Collector final : public http::basic_parser<true> {
 public:
  RequestHead head;
  std::string body;
  std::size_t max_fields = 0;

 private:
  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.version = version;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field, string_view name, string_view value,
                     error_code& failure) override {
    if (is_header_done()) return;
    if (head.headers.fields().size() >= max_fields) {
      failure = http::error::header_limit;
      return;
    }
    head.headers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view part, error_code&) override {
    body.append(part.data(), part.size());
    return part.size();
  }
  // Extensions mean nothing to us; a line break hidden in one could mean something to a proxy.
  void on_chunk_header_impl(std::uint64_t, string_view extensions, error_code& failure) override {
    for (const char c : extensions)
      if (c != '\t' && static_cast<unsigned char>(c) < 0x20)
        failure = http::error::bad_chunk_extension;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view part, error_code&) override {
    body.append(part.data(), part.size());
    return part.size();
  }
  void on_finish_impl(error_code&) override {}
};

HttpError refusal(error_code failure, const HttpLimits& limits) {
  if (failure == http::error::body_limit)
    return make_http_error(413, "body_too_large",
                           fmt::format("the body is larger than {} bytes", limits.body_bytes));
  if (failure == http::error::header_limit)
    return make_http_error(431, "headers_too_large",
                           fmt::format("the header is larger than {} bytes or {} fields",
                                       limits.head_bytes, limits.head_fields));
  if (failure == http::error::bad_version)
    return make_http_error(505, "http_version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  return make_http_error(400, "bad_request",
                         fmt::format("not an HTTP request: {}", failure.message()));
}

}  // namespace

class RequestParser::Impl {
 public:
  explicit Impl(const HttpLimits& limits) : limits_(limits) {
    collector_.max_fields = limits.head_fields;
    collector_.header_limit(static_cast<std::uint32_t>(limits.head_bytes + 1024));
    collector_.body_limit(limits.body_bytes);
  }

  std::size_t consume_head(std::string_view unread) {
    std::size_t blank = 0;  // empty lines before a request are forgiven (RFC 9112, 2.2)
    while (!begun && unread.substr(blank).starts_with("\r\n")) blank += 2;
    unread.remove_prefix(blank);
    if (unread.empty() || unread == "\r") return blank;
    begun = true;
    const HttpResult<std::size_t> length = scanner_.scan(unread, limits_);
    if (!length) return fail_with(length.error());
    if (*length == 0) return blank;
    error_code failure;
    const std::size_t used =
        collector_.put(boost::asio::const_buffer(unread.data(), *length), failure);
    if (failure || !collector_.is_header_done() || used != *length)
      return fail_with(refusal(failure, limits_));
    HttpResult<RequestFraming> checked = check_framing(collector_.head);
    if (!checked) return fail_with(checked.error());
    framing = *checked;
    state = State::kHeadDone;
    return blank + used;
  }

  std::size_t consume_body(std::string_view unread) {
    std::size_t used = 0;
    while (used < unread.size() && !collector_.is_done()) {
      error_code failure;
      const std::size_t step = collector_.put(
          boost::asio::const_buffer(unread.data() + used, unread.size() - used), failure);
      used += step;
      if (failure == http::error::need_more) break;
      if (failure) return fail_with(refusal(failure, limits_));
    }
    if (collector_.is_done()) {
      state = State::kDone;
    } else {
      check_waiting(unread.substr(used));
    }
    return used;
  }

  // Bytes of a body that Beast leaves for later are the beginning of a chunk header or of trailers.
  void check_waiting(std::string_view rest) {
    const std::size_t line_feed = rest.find('\n');
    const bool bare =
        line_feed != std::string_view::npos && (line_feed == 0 || rest[line_feed - 1] != '\r');
    if (!bare && rest.size() <= kMaxChunkHeader) return;
    fail_with(make_http_error(400, "bad_request",
                              bare ? "a line feed without a carriage return in a chunked body"
                                   : "a chunk header or trailer is too long"));
  }

  std::size_t fail_with(HttpError why) {
    error = std::move(why);
    state = State::kFailed;
    return 0;
  }

  void accept_body() {
    CHECK(state == State::kHeadDone);
    state = collector_.is_done() || !framing.has_body() ? State::kDone : State::kBody;
  }

  Collector& collector() { return collector_; }

  State state = State::kHead;
  bool begun = false;
  HttpError error;
  RequestFraming framing;

 private:
  HttpLimits limits_;
  HeadScanner scanner_;
  Collector collector_;
};

RequestParser::RequestParser(const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

std::size_t RequestParser::consume(std::string_view unread) {
  switch (impl_->state) {
    case State::kHead:
      return impl_->consume_head(unread);
    case State::kBody:
      return impl_->consume_body(unread);
    default:
      return 0;
  }
}

void RequestParser::accept_body() { impl_->accept_body(); }
RequestParser::State RequestParser::state() const { return impl_->state; }
const HttpError& RequestParser::error() const { return impl_->error; }
bool RequestParser::begun() const { return impl_->begun; }
const RequestHead& RequestParser::head() const { return impl_->collector().head; }
const RequestFraming& RequestParser::framing() const { return impl_->framing; }
std::size_t RequestParser::body_size() const { return impl_->collector().body.size(); }
std::size_t RequestParser::body_capacity() const { return impl_->collector().body.capacity(); }
std::string RequestParser::take_body() { return std::move(impl_->collector().body); }

}  // namespace bantam
