#include "server/router.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

TEST(Router, MatchesSegmentsAndNamesTheMethods) {
  Router router;
  const HttpHandler none = [](const HttpRequest&, ResponseWriter&) {};
  router.add("GET", "/", none, HandlerThread::kInline);
  router.add("GET", "/v1/models", none, HandlerThread::kInline);
  router.add("GET", "/v1/models/{*}", none, HandlerThread::kInline);
  router.add("POST", "/v1/{}/x", none, HandlerThread::kWorker);
  const auto find = [&](std::string_view method, std::vector<std::string> segments) {
    const auto found = router.find(method, segments);
    return found ? fmt::format("{} {}", fmt::join(found->route->pattern, "/"),
                               fmt::join(found->parameters, ","))
                 : fmt::format("{} {}", found.error().status, found.error().code);
  };
  EXPECT_EQ(find("GET", {}), " ");
  EXPECT_EQ(find("HEAD", {"v1", "models"}), "v1/models ");
  EXPECT_EQ(find("GET", {"v1", "models", "a", "b/c"}), "v1/models/{*} a/b/c");
  EXPECT_EQ(find("POST", {"v1", "a/b", "x"}), "v1/{}/x a/b");
  EXPECT_EQ(find("POST", {"v1", "models"}), "405 method");
  EXPECT_EQ(find("get", {"v1", "models"}), "405 method");
  EXPECT_EQ(find("GET", {"V1", "models"}), "404 not_found");
  EXPECT_EQ(find("GET", {"v1", "models/x"}), "404 not_found");
  EXPECT_EQ(find("GET", {"v1"}), "404 not_found");
  EXPECT_EQ(router.allowed_methods({"v1", "models"}), "GET, HEAD, OPTIONS");
  EXPECT_EQ(router.allowed_methods({"v1", "models", "x"}), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(router.allowed_methods({"x"}), "");
  EXPECT_EQ(*router.find("PUT", {}).error().headers.find("Allow"), "GET, HEAD, OPTIONS");
}

}  // namespace
}  // namespace bantam
