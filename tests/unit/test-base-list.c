/* SPDX-License-Identifier: Apache-2.0 */
/* The list: order, removal inside a walk and of a node in no list, and taking all over. */
#include "base/list.h"

#include "test.h"

struct item {
	char letter;
	struct list node;
};

static struct item items[4];

static struct list *filled(struct list *list, size_t count)
{
	list_init(list);
	for (size_t i = 0; i < count; i++) {
		items[i].letter = (char)('a' + i);
		list_append(list, &items[i].node);
	}
	return list;
}

static const char *letters(struct list *list)
{
	static char text[8];
	size_t len = 0;

	list_foreach (node, list)
		text[len++] = list_entry(node, struct item, node)->letter;
	text[len] = '\0';
	for (struct list *node = list->prev; node != list;
	     node = node->prev) /* the way back agrees */
		CHECK(list_entry(node, struct item, node)->letter == text[--len]);
	CHECK_INT(len, 0);
	return text;
}

static void test_order_and_removal(void)
{
	struct list list;

	CHECK_STR(letters(filled(&list, 4)), "abcd");
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	CHECK(list_empty(&items[1].node) && !list_empty(&list));
	CHECK_STR(letters(&list), "acd");
	list_append(&list, &items[1].node);
	CHECK_STR(letters(&list), "acdb");
}

static void test_removal_inside_a_walk(void)
{
	struct list list;

	filled(&list, 4);
	list_foreach (node, &list) {
		if (list_entry(node, struct item, node)->letter != 'c')
			list_remove(node);
	}
	CHECK_STR(letters(&list), "c");
	list_remove(&items[2].node);
	CHECK(list_empty(&list));
}

static void test_take_all(void)
{
	struct list from, to;

	list_take_all(&to, filled(&from, 3));
	CHECK_STR(letters(&to), "abc");
	CHECK(list_empty(&from));
	list_take_all(&to, filled(&from, 1));
	CHECK_STR(letters(&to), "a");
	list_take_all(&to, filled(&from, 0));
	CHECK(list_empty(&to) && list_empty(&from));
}

int main(void)
{
	test_run("order_and_removal", test_order_and_removal);
	test_run("removal_inside_a_walk", test_removal_inside_a_walk);
	test_run("take_all", test_take_all);
	return 0;
}
