// For tests: a client that puts exactly the bytes it is given on a real socket.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "server/http_server.h"

namespace bantam::testing {

inline constexpr std::chrono::seconds kPatience{
    20};  // for what must happen; never for what must not

// Waits for a condition that another thread brings about.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct RawResponse {
  int status = 0;  // 0: the connection ended before a whole response came
  HttpHeaders headers;
  std::string body;
  const std::string header(std::string_view name) const {
    const std::string* value = headers.find(name);
    return value ? *value : std::string();
  }
};

class RawClient {
 public:
  // Holds a socket already, but nobody at the other end.
  explicit RawClient(int receive_buffer = 0) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  static RawClient to(std::uint16_t port, int receive_buffer = 0) {
    RawClient client(receive_buffer);
    client.connect(port);
    return client;
  }
  RawClient(RawClient&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), in_(std::move(other.in_)) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() { close(); }

  void connect(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) close();
  }
  bool connected() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // One more piece of input; false at the end, on an error or when patience runs out.
  bool receive() {
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(kPatience.count()) * 1000);
    if (ready <= 0) return false;
    char block[16384];
    const ssize_t got = ::recv(descriptor_, block, sizeof block, 0);
    if (got <= 0) return false;
    in_.append(block, static_cast<std::size_t>(got));
    return true;
  }

  // Input up to and with `mark`; what there was if it ends before.
  std::string read_until(std::string_view mark) {
    std::size_t at = 0;
    while ((at = in_.find(mark)) == std::string::npos)
      if (!receive()) return std::exchange(in_, {});
    std::string out = in_.substr(0, at + mark.size());
    in_.erase(0, out.size());
    return out;
  }

  std::string read_bytes(std::size_t count) {
    while (in_.size() < count)
      if (!receive()) break;
    std::string out = in_.substr(0, count);
    in_.erase(0, out.size());
    return out;
  }

  std::string read_all() {
    while (receive()) {
    }
    return std::exchange(in_, {});
  }

  // Whether the other side has closed, with nothing more sent.
  bool at_end() { return in_.empty() && !receive() && in_.empty(); }

  RawResponse read_response(bool head_only = false) {
    RawResponse response;
    std::string_view head;
    const std::string text = read_until("\r\n\r\n");
    if (!text.ends_with("\r\n\r\n")) return response;
    head = text;
    int status = 0;
    std::from_chars(head.data() + 9, head.data() + 12, status);
    head.remove_prefix(head.find("\r\n") + 2);
    while (head != "\r\n") {
      const std::size_t end = head.find("\r\n");
      const std::size_t colon = head.find(": ");
      response.headers.add(head.substr(0, colon), head.substr(colon + 2, end - colon - 2));
      head.remove_prefix(end + 2);
    }
    if (response.header("Transfer-Encoding") == "chunked") {
      if (!head_only && !read_chunks(response.body)) return response;
    } else if (!head_only && !response.header("Content-Length").empty()) {
      const std::size_t length = std::stoul(response.header("Content-Length"));
      response.body = read_bytes(length);
      if (response.body.size() != length) return response;
    }
    response.status = status;
    return response;
  }

  void half_close() { ::shutdown(descriptor_, SHUT_WR); }
  // With a reset instead of an orderly end.
  void reset() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  bool read_chunks(std::string& body) {
    while (true) {
      const std::string line = read_until("\r\n");
      std::size_t size = 0;
      const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
      if (failure != std::errc()) return false;
      const std::string chunk = read_bytes(size + 2);
      if (chunk.size() != size + 2) return false;
      if (size == 0) return true;
      body.append(chunk, 0, size);
    }
  }

  int descriptor_ = -1;
  std::string in_;
};

inline std::string get(std::string_view target, std::string_view more = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", target, more);
}

inline std::string post(std::string_view target, std::string_view body,
                        std::string_view more = "") {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n{}\r\n{}",
      target, body.size(), more, body);
}

// A server on a thread of its own, on a free port of the loopback, until the end of the test.
class RunningServer {
 public:
  explicit RunningServer(const std::function<void(HttpServer&)>& set_up, HttpLimits limits = {},
                         HttpPolicy policy = {})
      : server_(limits, std::move(policy)) {
    set_up(server_);
    const Result<void> bound = server_.bind("127.0.0.1", 0);
    EXPECT_TRUE(bound.has_value());
    thread_ = std::thread([this] { EXPECT_TRUE(server_.run().has_value()); });
  }
  ~RunningServer() { stop(std::chrono::milliseconds(0)); }

  HttpServer& operator*() { return server_; }
  HttpServer* operator->() { return &server_; }
  RawClient connect() { return RawClient::to(server_.port()); }
  RawResponse ask(std::string_view bytes) {
    RawClient client = connect();
    client.send(bytes);
    return client.read_response();
  }
  void stop(std::chrono::milliseconds drain) {
    server_.stop(drain);
    if (thread_.joinable()) thread_.join();
  }

 private:
  HttpServer server_;
  std::thread thread_;
};

}  // namespace bantam::testing
