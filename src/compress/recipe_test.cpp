#include "compress/recipe.h"

#include "base/errors_for_tests.h"

namespace octet {
namespace {

Recipe recipe_of(const std::string& text) {
  return read_recipe(text, "r.yaml");
}

TEST(Recipes, OfLlmCompressorAreReadAsTheyAre) {
  const Recipe recipe = recipe_of(R"(
quant_stage:
  quant_modifiers:
    SmoothQuantModifier:
      smoothing_strength: 0.8
      mappings: [[["re:.*q_proj", "re:.*k_proj", "re:.*v_proj"], "re:.*input_layernorm"]]
    GPTQModifier:
      sequential_update: true
      offload_hessians: false
      dampening_frac: 0.02
      ignore: ["lm_head"]
      config_groups:
        group_0:
          targets: ["Linear"]
          weights: {num_bits: 8, type: "int", symmetric: true, strategy: "channel", observer: "mse"}
          input_activations: {num_bits: 8, type: "int", symmetric: true, strategy: "token", dynamic: true}
)");
  EXPECT_EQ(recipe.pipeline.smoothing->name, "smoothquant");
  EXPECT_EQ(recipe.pipeline.smoothing_strength, 0.8);
  EXPECT_EQ(recipe.pipeline.smooth, (SmoothingPlaces{true, false, false, false}));
  EXPECT_EQ(recipe.pipeline.rounding, RoundingAlgorithm::gptq);
  EXPECT_EQ(recipe.pipeline.gptq.damping, 0.02);
  EXPECT_EQ(recipe.pipeline.weights->name, "mse");
  EXPECT_EQ(recipe.notices.size(), 2);
  const ConfigGroup* group = recipe.schemes.group_of("model.layers.0.mlp.up_proj");
  ASSERT_TRUE(group);
  EXPECT_EQ(*group->weights, per_channel(Format::INT8));
  EXPECT_EQ(*group->activations, per_token(Format::INT8));
  EXPECT_FALSE(recipe.schemes.group_of("lm_head"));
}

TEST(Recipes, MappingsSayWhatIsSmoothed) {
  const std::string scheme = "\nQuantizationModifier: {scheme: FP8_DYNAMIC, ignore: [lm_head]}";
  const auto places = [&](const std::string& awq) { return recipe_of("AWQModifier: " + awq + scheme).pipeline.smooth; };
  EXPECT_EQ(places("{duo_scaling: both}"), SmoothingPlaces{});
  EXPECT_EQ(places(R"({mappings: [{smooth_layer: "re:.*post_attention_layernorm$",
                       balance_layers: ["re:.*gate_proj$", "re:.*up_proj$"], activation_hook_target: null},
                       {smooth_layer: "re:.*up_proj$", balance_layers: ["re:.*down_proj$"]}]})"),
            (SmoothingPlaces{false, false, true, true}));
  const auto refused = [&](const std::string& mapping, std::initializer_list<std::string_view> parts) {
    expect_error([&] { places("{mappings: [" + mapping + "]}"); }, parts);
  };
  refused(R"([["re:.*q_proj", "re:.*k_proj"], "re:.*input_layernorm"])", {"self_attn.v_proj", "leave out"});
  refused(R"([["re:.*o_proj"], "re:.*layers.0.*v_proj"])", {"in some layers only"});
  refused(R"([["re:.*o_proj"], "re:.*embed_tokens"])", {"cannot take factors"});
  refused(R"([["re:.*o_proj", "re:.*router"], "re:.*v_proj"])", {"re:.*router", "reach"});
  refused(R"({smooth_layer: "re:.*v_proj", balance_layers: ["re:.*o_proj"], activation_hook_target: mlp})",
          {"activation_hook_target"});
  refused("7", {"no pair"});
}

TEST(Recipes, ObserversAreThoseOfOctet) {
  const Recipe recipe = recipe_of(
      "QuantizationModifier: {scheme: W8A8_STATIC, observer: {weights: memoryless_mse, input: static_minmax}}");
  EXPECT_EQ(recipe.pipeline.weights->name, "mse");
  EXPECT_EQ(recipe.pipeline.inputs->name, "minmax");
  expect_error([] { recipe_of("QuantizationModifier: {scheme: W8A8, weight_observer: norm}"); },
               {"weight_observer", "norm", "lacks"});
  expect_error([] { recipe_of("QuantizationModifier: {scheme: W8A8, observer: {output: mse}}"); }, {"output"});
}

TEST(Recipes, PresetsGoToTheirTargets) {
  const Recipe recipe = recipe_of(R"(
QuantizationModifier:
  scheme: {FP8_DYNAMIC: ["re:.*self_attn.*"], W8A8: ["re:.*mlp.*"]}
  ignore: [lm_head, "model.layers.1.mlp.down_proj"]
)");
  EXPECT_EQ(recipe.schemes.group_of("model.layers.0.self_attn.q_proj")->weights->format, Format::E4M3);
  EXPECT_EQ(recipe.schemes.group_of("model.layers.0.mlp.up_proj")->weights->format, Format::INT8);
  EXPECT_FALSE(recipe.schemes.group_of("model.layers.1.mlp.down_proj"));
  EXPECT_TRUE(recipe.pipeline.plain());
}

TEST(Recipes, TakeSchemesOfOctetsOwn) {
  const Recipe recipe = recipe_of("GPTQModifier: {scheme: CODEBOOK8A16, ignore: [lm_head]}");
  EXPECT_EQ(recipe.schemes.method, "octet");
  EXPECT_EQ(recipe.schemes.groups[0].storage, Storage::codebook_quantized);
}

TEST(Recipes, AreRefusedWhereTheySayWhatIsNotKnown) {
  expect_error([] { recipe_of("SparseGPTModifier: {sparsity: 0.5}"); }, {"SparseGPTModifier", "no such modifier"});
  expect_error([] { recipe_of("GptqModifier: {scheme: W8A8}"); },
               {"GptqModifier", "no modifier that is known", "close to it are GPTQModifier"});
  expect_error([] { recipe_of("GPTQModifier: {scheme: W8A8, blocks: 3}"); }, {"GPTQModifier: blocks is not a field"});
  expect_error([] { recipe_of("GPTQModifier: {scheme: W8A8, dampening: 3}"); }, {"close to it are dampening_frac"});
  expect_error([] { recipe_of("GPTQModifier: {scheme: W4A16}"); }, {"W4A16 has fewer than eight bits"});
  expect_error([] { recipe_of("GPTQModifier: {scheme: W9A9}"); }, {"there is no scheme W9A9"});
  expect_error([] { recipe_of("GPTQModifier: {scheme: W8A8, actorder: group}"); }, {"g_idx"});
  expect_error([] { recipe_of("SmoothQuantModifier: {smoothing_strength: 7}\nQuantizationModifier: {scheme: W8A8}"); },
               {"smoothing_strength", "between 0 and 1"});
  expect_error([] { recipe_of("SmoothQuantModifier:\n"); }, {"no modifier says what the layers become"});
  expect_error([] { recipe_of("SpinQuantModifier: {rotations: [R1, R2, R4]}\nQuantizationModifier: {scheme: W8A8}"); },
               {"R1 and R2 are folded"});
  expect_error(
      [] { recipe_of("SmoothQuantModifier: {ignore: ['re:.*layers.0.*']}\nQuantizationModifier: {scheme: W8A8}"); },
      {"ignore", "mappings"});
  expect_error([] { recipe_of("SmoothQuantModifier: {algorithm: log_equalization}"); }, {"log_equalization"});
  expect_error([] { recipe_of("QuantizationModifier: {config_groups: {g: {weights: {num_bits: 4, type: int}}}}"); },
               {"config_groups.g.weights.num_bits is 4", "eight bits"});
  expect_error([] { recipe_of("QuantizationModifier: {config_groups: {g: {weights: {symmetric: false}}}}"); },
               {"config_groups.g.weights.symmetric", "zero points"});
  expect_error([] { recipe_of("QuantizationModifier: {kv_cache_scheme: {num_bits: 8, type: float}}"); },
               {"kv_cache_scheme alone"});
  expect_error([] { recipe_of("[1, 2]"); }, {"a mapping from modifiers' names"});
}

TEST(Recipes, SayWhatIsWantedInstead) {
  expect_error([] { recipe_of("GPTQModifier: {scheme: W8A8, dampening_frac: 0}"); },
               {"dampening_frac: has to be above 0, at most 10"});
  expect_error([] { recipe_of("s: {q_modifiers: {QuantizationModifier: {scheme: W8A8}}}"); },
               {"r.yaml: s: names of stages end in _stage: call it s_stage"});
  const auto group = [](const std::string& fields) {
    return "QuantizationModifier: {config_groups: {g: {" + fields + "}}}";
  };
  const std::string weights = "weights: {num_bits: 8, type: int, strategy: channel}";
  expect_error([&] { recipe_of(group(weights + ", output_activations: {num_bits: 8, type: int}")); },
               {"config_groups.g.output_activations: outputs of layers are not quantized by Octet; leave it out"});
  EXPECT_EQ(recipe_of(group(weights + ", output_activations: null, targets: null")).schemes.groups[0].targets,
            std::vector<std::string>{"Linear"});
  for (const char* fields : {"targets:", "targets: [Linear]", "weights: null", "input_activations: {num_bits: 8}"}) {
    expect_error([&] { recipe_of(group(fields)); }, {"config_groups.g: has no weights", "ignore"});
    expect_error(
        [&] {
          recipe_of("QuantizationModifier: {kv_cache_scheme: {type: float}, config_groups: {g: {" +
                    std::string(fields) + "}}}");
        },
        {"config_groups.g: has no weights"});
  }
  EXPECT_TRUE(recipe_of("QuantizationModifier:\n  scheme: |\n    W8A8\n").schemes.groups[0].activations);
}

TEST(Recipes, LeaveNoLayerToTwoSchemes) {
  const std::string weights = "weights: {num_bits: 8, type: int, strategy: channel}";
  expect_error(
      [&] { recipe_of("QuantizationModifier: {config_groups: {a: {" + weights + "}, b: {" + weights + "}}}"); },
      {"groups a and b both have the target Linear"});
  expect_error([&] { recipe_of("QuantizationModifier: {scheme: W8A8, config_groups: {a: {" + weights + "}}}"); },
               {"both scheme and config_groups"});
  const Recipe apart = recipe_of("QuantizationModifier: {config_groups: {a: {targets: ['re:.*mlp.*'], " + weights +
                                 "}, b: {" + weights + "}}}");
  EXPECT_EQ(apart.schemes.groups.size(), 2);
}

TEST(Recipes, NamesThatMatchNothingAreAnsweredWithCloseOnes) {
  const std::vector<std::string> modules{"model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj", "lm_head"};
  QuantizationConfig schemes =
      recipe_of("QuantizationModifier: {scheme: W8A8, targets: 'model.layers.0.mlp.upp_proj'}").schemes;
  expect_error([&] { check_names(schemes, modules, "r.yaml"); },
               {"upp_proj\" names no linear layer", "close to it are model.layers.0.mlp.up_proj"});
  schemes = recipe_of("QuantizationModifier: {scheme: W8A8, targets: Embedding}").schemes;
  expect_error([&] { check_names(schemes, modules, "r.yaml"); }, {"r.yaml", "Embedding", "Linear is"});
  schemes = recipe_of("QuantizationModifier: {scheme: W8A8, ignore: ['re:.*vision.*', lm_head]}").schemes;
  EXPECT_EQ(
      check_names(schemes, modules, "r.yaml"),
      std::vector<std::string>{"r.yaml: the ignored pattern \"re:.*vision.*\" matches no linear layer of this model"});
  schemes = recipe_of("QuantizationModifier: {scheme: W8A8, ignore: ['re:.*down_proj', 're:.*lm_head']}").schemes;
  EXPECT_TRUE(check_names(schemes, modules, "r.yaml").empty());
  schemes = recipe_of("QuantizationModifier: {scheme: W8A8, ignore: [lm_haed]}").schemes;
  expect_error([&] { check_names(schemes, modules, "r.yaml"); }, {"lm_haed", "lm_head"});
  schemes = recipe_of("QuantizationModifier: {scheme: W8A8, targets: 're:.*upp_proj$'}").schemes;
  expect_error([&] { check_names(schemes, modules, "r.yaml"); }, {"close to it are model.layers.0.mlp.up_proj"});
}

TEST(Recipes, NoLayerBelongsToTwoGroups) {
  const std::vector<std::string> modules{"model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"};
  const auto schemes_of = [](const std::string& a, const std::string& b) {
    const std::string weights = "weights: {num_bits: 8, type: int, strategy: channel}";
    return recipe_of("QuantizationModifier: {config_groups: {a: {targets: [" + a + "], " + weights +
                     "}, b: {targets: [" + b + "], " + weights + "}}}")
        .schemes;
  };
  expect_error(
      [&] { check_names(schemes_of("'re:.*self_attn.*'", "'re:.*up_proj', 're:.*q_proj'"), modules, "r.yaml"); },
      {"r.yaml: two groups name model.layers.0.self_attn.q_proj"});
  QuantizationConfig ignored = schemes_of("'re:.*q_proj'", "'re:.*attn.*', 're:.*up_proj'");
  ignored.ignore.emplace_back(modules[0]);
  check_names(ignored, modules, "r.yaml");
  check_names(schemes_of("Linear", "'re:.*q_proj'"), modules, "r.yaml");  // the pattern goes before the class
  check_names(schemes_of("'re:.*proj'", "model.layers.0.mlp.up_proj"), modules, "r.yaml");
}

}  // namespace
}  // namespace octet
