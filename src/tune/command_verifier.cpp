#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tune/verifier.h"

namespace bantam {
namespace {

template <typename... Args>
std::unexpected<Error> io_error(int number, fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kIo, "io", "{}: {}", fmt::format(format, std::forward<Args>(args)...),
              std::strerror(number));
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

// In memory: a program that does not read it cannot block anybody.
Result<void> fill(const Descriptor& file, std::string_view text) {
  if (file.number() < 0) return io_error(errno, "the answer's file");
  while (!text.empty()) {
    const ssize_t written = ::write(file.number(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error(errno, "the answer's file");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::lseek(file.number(), 0, SEEK_SET) != 0) return io_error(errno, "the answer's file");
  return {};
}

// What a process is started with: its own group, no signal blocked, files in place.
class Setting {
 public:
  explicit Setting(int input) {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawn_file_actions_init(&files_);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    ::posix_spawn_file_actions_adddup2(&files_, input, STDIN_FILENO);
    for (const int output : {STDOUT_FILENO, STDERR_FILENO})
      ::posix_spawn_file_actions_addopen(&files_, output, "/dev/null", O_WRONLY, 0);
  }
  ~Setting() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  int spawn(pid_t& process, std::vector<char*>& words, std::vector<char*>& environment) {
    return ::posix_spawnp(&process, words[0], &files_, &attributes_, words.data(),
                          environment.data());
  }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t files_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Waits for its end, no longer than the limit; nothing of its group is left.
Result<bool> ended_well(pid_t process, std::chrono::milliseconds limit) {
  const Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  const auto end = std::chrono::steady_clock::now() + limit;
  int ready = handle.number() < 0 ? -1 : 0;
  for (bool again = ready == 0; again;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd wait{.fd = handle.number(), .events = POLLIN, .revents = 0};
    ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    again = ready < 0 && errno == EINTR;
  }
  const int problem = errno;
  ::kill(-process, SIGKILL);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (ready < 0) return io_error(problem, "waiting for the verifier");
  return ready > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class CommandVerifier final : public Verifier {
 public:
  CommandVerifier(std::vector<std::string> words, std::chrono::milliseconds limit)
      : words_(std::move(words)), limit_(limit) {
    CHECK(!words_.empty());
  }

  Result<bool> accepts(std::string_view wanted, std::string_view answer) override {
    const Descriptor input(::memfd_create("answer", MFD_CLOEXEC));
    TRY(fill(input, answer));
    std::vector<std::string> environment;
    for (char** variable = ::environ; *variable != nullptr; ++variable)
      environment.emplace_back(*variable);
    environment.push_back("BANTAM_WANTED=" + std::string(wanted));
    std::vector<char*> words = pointers(words_), variables = pointers(environment);
    pid_t process = 0;
    const int problem = Setting(input.number()).spawn(process, words, variables);
    if (problem == ENOENT)
      return fail(ErrorKind::kNotFound, "verifier_not_found", "there is no program {}",
                  words_.front());
    if (problem != 0) return io_error(problem, "{}", words_.front());
    return ended_well(process, limit_);
  }

 private:
  std::vector<std::string> words_;
  std::chrono::milliseconds limit_;
};

}  // namespace

std::unique_ptr<Verifier> command_verifier(std::vector<std::string> words,
                                           std::chrono::milliseconds limit) {
  return std::make_unique<CommandVerifier>(std::move(words), limit);
}

}  // namespace bantam
