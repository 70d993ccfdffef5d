#include "text/stop_words.h"

namespace octet {
namespace {

// clang-format off
constexpr std::string_view kEnglish[] = {
    // articles and demonstratives
    "a", "an", "the", "this", "that", "these", "those",
    // pronouns
    "i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves", "you", "your", "yours", "yourself",
    "yourselves", "he", "him", "his", "himself", "she", "her", "hers", "herself", "it", "its", "itself", "they", "them",
    "their", "theirs", "themselves", "who", "whom", "whose", "which", "what", "one", "ones", "oneself",
    // prepositions
    "of", "in", "on", "at", "by", "for", "with", "about", "into", "onto", "to", "from", "up", "down", "out", "off",
    "over", "under", "through", "during", "before", "after", "above", "below", "between", "among", "within", "upon",
    "toward", "towards", "via", "per", "as",
    // conjunctions and adverbs of place and time that join
    "and", "or", "if", "than", "then", "so", "because", "while", "when", "where", "why", "how", "until", "since",
    "whether", "though", "although", "whereas", "once", "here", "there", "again", "further", "also", "both", "each",
    "either", "other", "others", "another", "such", "same", "own", "some", "any", "all",
    // auxiliaries
    "am", "is", "are", "was", "were", "be", "been", "being", "have", "has", "had", "having", "do", "does", "did",
    "doing", "done", "will", "would", "shall", "should", "can", "could", "may", "might", "must", "ought",
    // contractions, whole and as tokenizers cut them
    "i'm", "i've", "i'll", "i'd", "you're", "you've", "you'll", "you'd", "he's", "he'll", "he'd", "she's", "she'll",
    "she'd", "it's", "it'll", "it'd", "we're", "we've", "we'll", "we'd", "they're", "they've", "they'll", "they'd",
    "that's", "that'll", "that'd", "there's", "here's", "what's", "who's", "where's", "how's", "let's", "'s", "'re",
    "'ve", "'ll", "'d", "'m",
};

constexpr std::string_view kChinese[] = {
    // particles
    "的", "地", "得", "了", "着", "過", "过", "们", "們", "吗", "嗎", "吧", "呢", "啊", "呀", "哦", "喔", "哇", "嘛", "啦", "么", "麼", "咯",
    "哟", "喲", "噢", "唉", "哎", "嗯", "呵", "哈", "哩", "罢了", "而已", "似的", "一样", "一樣", "之", "其", "所", "以", "者", "也",
    // pronouns and demonstratives
    "我", "你", "您", "他", "她", "它", "我们", "我們", "你们", "你們", "他们", "他們", "她们", "她們", "它们", "它們", "咱", "咱们",
    "咱們", "自己", "自身", "本人", "大家", "人家", "别人", "別人", "彼此", "这", "這", "那", "这个", "這個", "那个", "那個", "这些", "這些",
    "那些", "这样", "這樣", "那样", "那樣", "这么", "這麼", "那么", "那麼", "这里", "這裡", "那里", "那裡", "这儿", "那儿", "这边", "那边",
    "这种", "這種", "那种", "那種", "此", "该", "該", "本", "某", "某个", "某些", "各", "各个", "各种", "每", "每个", "每個", "另", "另外",
    "其他", "其它", "其中", "其余", "其實", "其实", "谁", "誰", "什么", "什麼", "啥", "怎么", "怎麼", "怎样", "怎樣", "怎么样", "如何", "为什么",
    "為什麼", "为何", "哪", "哪个", "哪些", "哪里", "哪裡", "哪儿", "多少", "几", "幾", "几个", "何",
    // prepositions
    "在", "从", "從", "自", "自从", "到", "往", "向", "朝", "由", "于", "於", "把", "被", "将", "將", "给", "給", "让", "讓", "叫", "对", "對",
    "对于", "對於", "关于", "關於", "至于", "至於", "跟", "和", "与", "與", "同", "及", "以及", "为", "為", "为了", "為了", "用", "通过",
    "通過", "按", "按照", "根据", "根據", "依", "依照", "随着", "隨著", "沿着", "经", "经过", "經過", "当", "當", "比", "比如", "除", "除了",
    "除了以外", "之外", "以外", "因", "因为", "因為", "由于", "由於", "作为", "作為", "凭", "据", "離", "离", "连", "連",
    // conjunctions and adverbs that join
    "或", "或者", "或是", "还是", "還是", "而", "而且", "并", "並", "并且", "並且", "且", "然后", "然後", "于是", "於是", "所以", "因此", "因而",
    "从而", "從而", "如果", "要是", "假如", "倘若", "若", "只要", "只有", "除非", "无论", "無論", "不管", "不论", "尽管", "儘管", "虽然",
    "雖然", "虽", "即使", "即便", "哪怕", "以便", "以免", "以致", "例如", "譬如", "即", "就是", "也就是说", "总之", "總之", "换句话说", "首先",
    "其次", "最后", "最後", "此外", "同时", "同時", "那么", "便", "就", "才", "又", "再", "还", "還", "都", "也是", "还有", "還有", "以后", "以後",
    "以前", "之前", "之后", "之後", "后来", "後來", "现在", "現在", "时候", "時候", "的时候", "当时", "當時", "时", "時", "一边", "一面",
    // auxiliaries
    "是", "有", "要", "会", "會", "能", "能够", "能夠", "可", "可以", "应", "應", "应该", "應該", "应当", "必须", "必須", "得以", "来", "來",
    "去", "上", "下", "里", "裡", "中", "内", "內", "外", "前", "后", "後", "起来", "起來", "下来", "下來", "出来", "出來", "过来", "过去",
    // numbers and measures that count nothing
    "一", "一个", "一個", "一些", "一种", "一種", "一下", "一点", "一點", "一次", "个", "個", "些", "种", "種", "次", "件", "位", "等", "等等",
};
// clang-format on

}  // namespace

std::span<const std::string_view> english_stop_words() {
  return kEnglish;
}

std::span<const std::string_view> chinese_stop_words() {
  return kChinese;
}

}  // namespace octet
