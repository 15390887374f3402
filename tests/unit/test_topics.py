import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from drift.errors import TooFewSamples
from drift.semantic.clusters import groups, merged, placed_without_itself
from drift.semantic.mmd import mmd2
from drift.semantic.shares import compare_shares
from drift.semantic.topics import FAR, compare_topics, fit_topics
from drift.semantic.witness import witness_values
from drift.semantic.words import c_tf_idf, make_lexicon, telling_words, tokens

SUBJECTS = ("refund money back", "cancel order today", "reset password login", "track parcel delivery", "change name")


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def prompts_about(subjects, rng, d=32, noise=0.05):
    """Unit vectors near the axis of each subject, and texts with its words: (vectors, texts)."""
    vectors = unit(np.eye(d)[subjects] + noise * rng.normal(size=(len(subjects), d)))
    return vectors, [f"please {SUBJECTS[subject % 5]} {subject}" for subject in subjects]


def compared(model, window, texts=None, *, seed=0):
    m, n = len(window), len(model.prompts)
    ids = [f"w{i}" for i in range(m)]
    return compare_topics(model, window, texts, np.zeros(m), np.zeros(n), ids, rng=np.random.default_rng(seed))


def test_the_topic_that_grew_is_first_with_its_words():
    """Five subjects of a fifth each; in the window the first has two thirds."""
    rng = np.random.default_rng(0)
    model = fit_topics(*prompts_about(np.arange(300) % 5, rng), seed=1, most_topics=5)
    window, texts = prompts_about(np.r_[np.zeros(50, int), np.arange(50) % 5], rng)
    first = compared(model, window, texts).topics[0]
    assert {"refund", "money", "back"} <= set(first.words)
    assert first.moved
    assert first.residual > 5
    # A few of either side are rare.
    assert 57 <= first.baseline_count <= 60
    assert 57 <= first.window_count <= 60


def test_a_subject_that_the_baseline_never_had_is_a_new_topic():
    rng = np.random.default_rng(1)
    model = fit_topics(*prompts_about(np.arange(300) % 4, rng), seed=1, fewest_topics=4, most_topics=4)
    window, texts = prompts_about(np.r_[np.full(15, 9), np.arange(85) % 4], rng)
    new = compared(model, window, texts).topics[0]
    assert new.name.startswith("new: ")
    assert {"change", "name"} <= set(new.words)
    assert (new.baseline_count, new.window_count) == (0, 15)
    assert set(new.examples) <= {f"w{i}" for i in range(15)}


def test_without_texts_topics_have_numbers_and_no_words():
    rng = np.random.default_rng(2)
    vectors, _ = prompts_about(np.arange(200) % 5, rng)
    result = compared(fit_topics(vectors, None, seed=1), vectors[:60])
    assert all(not topic.words for topic in result.topics)
    assert "topic 1" in {topic.name for topic in result.topics}


def test_contributions_add_up_to_the_mmd2():
    """With a new topic and rare prompts among them."""
    rng = np.random.default_rng(3)
    baseline, _ = prompts_about(np.arange(240) % 5, rng)
    window, _ = prompts_about(np.r_[np.full(12, 9), np.arange(68) % 3], rng)
    # float64, as the exactness is that of the sum over topics.
    answers = rng.normal(size=(240, 6)), rng.normal(size=(80, 6)) + 0.5
    phi, psi = witness_values(*answers, bandwidth=3.0)
    ids = [str(i) for i in range(80)]
    result = compare_topics(fit_topics(baseline, None, seed=1), window, None, phi, psi, ids, rng=rng)
    total = sum(topic.contribution for topic in result.topics)
    assert total == pytest.approx(phi.mean() + psi.mean(), abs=1e-12)
    assert total == pytest.approx(mmd2(*answers, bandwidth=3.0), abs=1e-9)
    assert sum(topic.baseline_count for topic in result.topics) == 240
    assert sum(topic.window_count for topic in result.topics) == 80


def test_the_same_seed_gives_the_same_topics_and_draws():
    rng = np.random.default_rng(4)
    vectors, texts = prompts_about(np.arange(200) % 5, rng, noise=0.4)
    models = [fit_topics(vectors, texts, seed=5) for _ in range(2)]
    assert compared(models[0], vectors[:50], texts[:50]) == compared(models[1], vectors[:50], texts[:50])


def test_the_order_of_the_window_does_not_matter():
    rng = np.random.default_rng(5)
    model = fit_topics(*prompts_about(np.arange(200) % 5, rng, noise=0.3), seed=5)
    window, texts = prompts_about(np.r_[np.full(9, 8), np.arange(60) % 3], rng, noise=0.3)
    order = rng.permutation(69)
    straight, shuffled = compared(model, window, texts), compared(model, window[order], [texts[i] for i in order])
    assert [(t.name, t.window_count, t.p_value) for t in straight.topics] == [
        (t.name, t.window_count, t.p_value) for t in shuffled.topics
    ]


def test_baselines_of_equal_prompts_and_of_too_few():
    """One prompt repeated is one topic, which cannot move; below 10 prompts there are no topics."""
    same = unit(np.ones((50, 8)))
    result = compared(fit_topics(same, ["hello there"] * 50, seed=0), same[:20], ["hello there"] * 20)
    assert len(result.topics) == 1
    assert result.p_value == result.topics[0].p_value == 1
    with pytest.raises(TooFewSamples):
        fit_topics(same[:9], None, seed=0)


def test_small_clusters_join_the_nearest():
    points = np.array([[0.0], [0.1], [0.2], [1.0], [5.0], [5.1], [5.2]])
    centroids, codes = merged(points, np.array([0, 0, 0, 1, 2, 2, 2]), 3)
    assert codes.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert centroids[:, 0] == pytest.approx([0.325, 5.1])


def test_a_baseline_prompt_is_placed_as_if_it_had_not_pulled_its_centroid():
    """Against centroids taken anew without each vector."""
    rng = np.random.default_rng(6)
    vectors = unit(rng.normal(size=(40, 4)))
    codes = np.arange(40) % 6
    centroids = np.stack([vectors[codes == c].mean(axis=0) for c in range(6)])
    placed, squared = placed_without_itself(vectors, centroids, codes)
    for i in range(40):
        without = centroids.copy()
        without[codes[i]] = vectors[(codes == codes[i]) & (np.arange(40) != i)].mean(axis=0)
        apart = np.square(vectors[i] - without).sum(axis=1)
        assert placed[i] == apart.argmin()
        assert squared[i] == pytest.approx(apart.min(), abs=1e-5)


def test_groups_are_no_wider_than_topics_and_not_too_small():
    """Six near one axis, five near another, two alone: two groups, the larger first."""
    rng = np.random.default_rng(7)
    vectors, _ = prompts_about(np.array([3] * 5 + [1] * 6 + [4, 5]), rng, noise=0.05)
    assert groups(vectors, 0.3, 5).tolist() == [1] * 5 + [0] * 6 + [-1] * 2


def test_a_far_prompt_has_no_topic():
    rng = np.random.default_rng(8)
    model = fit_topics(prompts_about(np.arange(200) % 5, rng)[0], None, seed=0)
    assert model.assign(prompts_about(np.array([20, 20]), rng)[0]).tolist() == [FAR, FAR]
    assert (model.codes == FAR).mean() == pytest.approx(0.025)


def test_p_values_of_categories_are_fishers():
    """With equal sizes the hypergeometric law is symmetric, and the residual orders tables as Fisher's test does."""
    counts = np.array([[12, 30, 3, 0, 55], [2, 33, 4, 7, 54]])
    test = compare_shares(counts, draws=999, rng=np.random.default_rng(0))
    rest = 100 - counts
    fisher = [fisher_exact([[counts[0, c], rest[0, c]], [counts[1, c], rest[1, c]]]).pvalue for c in range(5)]
    assert test.p_values == pytest.approx(fisher)
    assert np.all(test.p_adjusted >= test.p_values)


def test_no_drift_is_reported_at_the_level_at_most():
    """300 baselines of 60 with windows of 40, in overlapping subjects: the binomial bound of .05 holds for the test of
    all shares; some topic is said to have moved no more often."""
    rng = np.random.default_rng(9)
    rejected = moved = 0
    for seed in range(300):
        vectors, _ = prompts_about(rng.integers(0, 4, 100), rng, d=16, noise=0.4)
        result = compared(fit_topics(vectors[:60], None, seed=seed), vectors[60:], seed=seed)
        rejected += result.p_value <= 0.05
        moved += any(topic.moved for topic in result.topics)
    assert binomtest(rejected, 300, 0.05).pvalue > 0.001
    assert binomtest(moved, 300, 0.05, alternative="greater").pvalue > 0.001


def test_c_tf_idf_worked_by_hand():
    """Two classes of 4 words, A = 4: a word with 3 of 4 in one class only weighs 3/4 log(1 + 4/3)."""
    weights = c_tf_idf(np.array([[3, 1, 0], [0, 1, 3]]))
    assert weights[0] == pytest.approx([0.75 * np.log(1 + 4 / 3), 0.25 * np.log(1 + 4 / 2), 0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Where's my Order #123?", ["where's", "my", "order"]),
        ("cancel {{Order Number}} and {{ order_number }}", ["cancel", "order number", "and", "order number"]),
        ("Größe ändern, bitte", ["grösse", "ändern", "bitte"]),
        ("हिन्दी में उत्तर", ["हिन्दी", "में", "उत्तर"]),
        ("退款申请", ["退款", "款申", "申请"]),
        ("a 12 x2 _ {{}}", []),
    ],
)
def test_tokens_in_several_scripts(text, words):
    assert tokens(text) == words


def test_words_of_every_topic_name_none():
    """The function words are found by their spread, in a language that the code does not know."""
    nouns = ["boleto", "cuenta", "pedido", "envio", "factura"]
    topics = np.arange(50) % 5
    lexicon = make_lexicon([f"donde esta mi {nouns[t]}" for t in topics], topics, 5, common_topics=0.3)
    assert telling_words(lexicon, [["donde esta mi gato"] * 5], 3) == [(noun,) for noun in [*nouns, "gato"]]
