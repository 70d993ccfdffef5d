#include "base/output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/errors_for_tests.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

TEST(OutputFile, HoldsWhatIsWrittenInPiecesOfAnySize) {
  const TemporaryDirectory directory;
  std::string expected;
  {
    OutputFile file(directory / "out");
    file.reserve(5'000'000);
    for (const size_t size : {1u, 0u, 1000u, 1'048'575u, 1'048'576u, 3u, 2'000'000u}) {
      const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
      file.write(piece);
      expected += piece;
    }
    EXPECT_EQ(file.written(), expected.size());
    file.close();
  }
  EXPECT_EQ(read_bytes(directory / "out").substr(0, expected.size()), expected);
}

TEST(OutputFile, LeavesNothingBehindWhenItIsNotClosed) {
  const TemporaryDirectory directory;
  { OutputFile(directory / "out").write("half"); }
  EXPECT_FALSE(fs::exists(directory / "out"));
}

TEST(OutputFile, SaysThatTheDeviceIsFull) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "/dev/full is not there";
  OutputFile file("/dev/full");
  expect_error([&] { file.write(std::string(3'000'000, 'x')); }, {"/dev/full", "no space left"});
}

TEST(OutputFile, SaysThatTheFileMayNotGrow) {
  const TemporaryDirectory directory;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1 << 20, before.rlim_max};
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  {
    OutputFile file(directory / "out");
    expect_error([&] { file.reserve(3'000'000); }, {"out", "file size"});
    expect_error([&] { file.write(std::string(3'000'000, 'x')); }, {"out", "file size"});
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(fs::exists(directory / "out"));
}

TEST(OutputFile, NamesTheReasonWhenItCannotBeMade) {
  const TemporaryDirectory directory;
  expect_error([&] { OutputFile(directory / "no/such"); }, {"no/such", "No such file or directory"});
}

TEST(WriteFileAtomically, ReplacesTheTextAndLeavesNoOtherFile) {
  const TemporaryDirectory directory;
  write_file_atomically(directory / "r.html", "one");
  write_file_atomically(directory / "r.html", "two");
  EXPECT_EQ(read_bytes(directory / "r.html"), "two");
  fs::create_symlink("r.html", directory / "link");
  write_file_atomically(directory / "link", "three");
  EXPECT_EQ(read_bytes(directory / "r.html"), "three");
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 2);
  expect_error([&] { write_file_atomically(directory.path(), "x"); }, {"is a directory"});
  write_file_atomically("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(OutputDirectory, AppearsWholeOnCommit) {
  const TemporaryDirectory directory;
  OutputDirectory out(directory / "model/");
  EXPECT_EQ(out.path().filename(), "model.part");
  fs::create_directory(out.path() / "sub");
  write_bytes(out.path() / "sub/a", "1");
  EXPECT_FALSE(fs::exists(directory / "model"));
  out.commit();
  EXPECT_EQ(read_bytes(directory / "model/sub/a"), "1");
  EXPECT_FALSE(fs::exists(directory / "model.part"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory / "model"), fs::directory_iterator()), 1);
}

TEST(OutputDirectory, LeavesNothingBehindWithoutCommit) {
  const TemporaryDirectory directory;
  {
    const OutputDirectory out(directory / "model");
    write_bytes(out.path() / "a", "1");
  }
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(OutputDirectory, RefusesATargetThatIsThereUnlessForced) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "model");
  write_bytes(directory / "model/config.json", "old");
  expect_error([&] { OutputDirectory(directory / "model"); }, {"model", "exists", "--force"});
  OutputDirectory out(directory / "model", true);
  write_bytes(out.path() / "config.json", "new");
  EXPECT_EQ(read_bytes(directory / "model/config.json"), "old");
  out.commit();
  EXPECT_EQ(read_bytes(directory / "model/config.json"), "new");
  EXPECT_FALSE(fs::exists(directory / "model.part"));
}

TEST(OutputDirectory, NeverReplacesWhatIsNoModel) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "home");
  write_bytes(directory / "home/thesis.tex", "x");
  write_bytes(directory / "file", "x");
  expect_error([&] { OutputDirectory(directory / "home", true); }, {"home", "not a model directory"});
  expect_error([&] { OutputDirectory(directory / "file", true); }, {"file", "not a model directory"});
  for (const char* name : {"", ".", "/", "a/.."}) {
    expect_error([&] { OutputDirectory(fs::path(name), true); }, {"not a name"});
  }
  EXPECT_TRUE(fs::exists(directory / "home/thesis.tex"));
}

TEST(OutputDirectory, SaysThatANameIsTooLong) {
  const TemporaryDirectory directory;
  for (const size_t length : {252, 300}) {
    const fs::path path = directory / std::string(length, 'x');
    expect_error([&] { OutputDirectory out(path); }, {path.string() + ": name too long"});
    expect_error([&] { OutputDirectory out(path, true); }, {"name too long"});
  }
}

TEST(OutputDirectory, RefusesATargetThatAppearsMeanwhile) {
  const TemporaryDirectory directory;
  {
    OutputDirectory out(directory / "model");
    fs::create_directory(directory / "model");
    write_bytes(directory / "model/config.json", "theirs");
    expect_error([&] { out.commit(); }, {"appeared"});
  }
  EXPECT_EQ(read_bytes(directory / "model/config.json"), "theirs");
  EXPECT_FALSE(fs::exists(directory / "model.part"));
}

TEST(OutputDirectory, ClearsWhatAKilledRunLeft) {
  const TemporaryDirectory directory;
  const pid_t child = fork();
  if (child == 0) {
    const OutputDirectory out(directory / "model");
    write_bytes(out.path() / "half", "x");
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(fs::exists(directory / "model.part/half"));
  OutputDirectory out(directory / "model");
  EXPECT_FALSE(fs::exists(directory / "model.part/half"));
  out.commit();
}

TEST(OutputDirectory, RefusesToShareItsWorkWithAnotherRun) {
  const TemporaryDirectory directory;
  const OutputDirectory first(directory / "model");
  write_bytes(first.path() / "a", "1");
  expect_error([&] { OutputDirectory(directory / "model"); }, {"model.part", "another run"});
  EXPECT_TRUE(fs::exists(first.path() / "a"));
}

TEST(OutputDirectory, LeavesAPartDirectoryOfSomeoneElseAlone) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "model.part");
  write_bytes(directory / "model.part/theirs", "1");
  expect_error([&] { OutputDirectory(directory / "model"); }, {"model.part", "remove it yourself"});
  EXPECT_TRUE(fs::exists(directory / "model.part/theirs"));
  fs::create_directory(directory / "elsewhere");
  fs::create_symlink("elsewhere", directory / "other.part");
  expect_error([&] { OutputDirectory(directory / "other"); }, {"other.part", "remove it yourself"});
}

TEST(OutputDirectory, RemovesEveryPendingOneOnInterrupt) {
  const TemporaryDirectory directory;
  OutputDirectory a(directory / "a"), b(directory / "b");
  write_bytes(a.path() / "x", "1");
  OutputDirectory::remove_all_pending();
  EXPECT_TRUE(fs::is_empty(directory.path()));
  expect_error([&] { a.commit(); }, {"a"});
  EXPECT_FALSE(fs::exists(directory / "a"));
}

}  // namespace
}  // namespace octet
