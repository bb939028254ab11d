// A model behind the program's own HTTP server, in this process, as a ChatModel: what a client gets
// from /v1, asked the way a client asks.
#pragma once

#include <memory>

#include "base/result.h"
#include "chat/chat_model.h"

namespace bantam {

// Listens on a free port of 127.0.0.1 until it is destroyed. answer() sends prompt ids to
// /v1/completions and messages to /v1/chat/completions; everything comes as one TextEvent, without
// the ids of tokens, which HTTP does not tell. Any thread. Of the sampling options only the
// temperature travels. Errors: those of HttpServer::bind(); kUnavailable "server_failed" with what
// the server said.
Result<std::unique_ptr<ChatModel>> serve_on_loopback(std::shared_ptr<ChatModel> model);

}  // namespace bantam
