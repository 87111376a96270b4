package sample

// group is one category of the catalogue.
type group struct {
	slug     string
	name     string
	servingG int
	foods    []basis
	variants []variant
}

// basis is a food as it is commonly listed, in grams per 100 g.
type basis struct {
	name                                     string
	protein, fat, carbs, sugars, fibre, salt float64
}

// variant is a way to sell a food. What is dried or cooked down holds more of everything in 100 g.
type variant struct {
	format string // of the food's name
	factor float64
}

// The brands are invented.
var brands = []string{"Quillmoor", "Tarnwick", "Oskeld", "Bramloe", "Veldrose", "Lunmarsh", "Pellowyn", "Harthby"}

var groups = []group{
	{"fruit", "Fruit", 120, []basis{
		{"apple", 0.3, 0.2, 13.8, 10.4, 2.4, 0}, {"apricot", 1.4, 0.4, 11.1, 9.2, 2, 0}, {"banana", 1.1, 0.3, 22.8, 12.2, 2.6, 0},
		{"blueberries", 0.7, 0.3, 14.5, 10, 2.4, 0}, {"cherries", 1.1, 0.2, 16, 12.8, 2.1, 0}, {"fig", 0.8, 0.3, 19.2, 16.3, 2.9, 0},
		{"mango", 0.8, 0.4, 15, 13.7, 1.6, 0}, {"orange", 0.9, 0.1, 11.8, 9.4, 2.4, 0}, {"peach", 0.9, 0.3, 9.5, 8.4, 1.5, 0},
		{"pear", 0.4, 0.1, 15.2, 9.8, 3.1, 0}, {"pineapple", 0.5, 0.1, 13.1, 9.9, 1.4, 0}, {"plum", 0.7, 0.3, 11.4, 9.9, 1.4, 0},
	}, []variant{{"Fresh %s", 1}, {"Organic %s", 1}, {"Frozen %s", 0.98}, {"Dried %s", 3.6}, {"%s purée", 1.05}}},
	{"vegetables", "Vegetables", 100, []basis{
		{"asparagus", 2.2, 0.1, 3.9, 1.9, 2.1, 0}, {"aubergine", 1, 0.2, 5.9, 3.5, 3, 0}, {"beetroot", 1.6, 0.2, 9.6, 6.8, 2.8, 0.2},
		{"broccoli", 2.8, 0.4, 6.6, 1.7, 2.6, 0.1}, {"carrots", 0.9, 0.2, 9.6, 4.7, 2.8, 0.2}, {"cauliflower", 1.9, 0.3, 5, 1.9, 2, 0.1},
		{"courgette", 1.2, 0.3, 3.1, 2.5, 1, 0}, {"leek", 1.5, 0.3, 14.2, 3.9, 1.8, 0.1}, {"peas", 5.4, 0.4, 14.5, 5.7, 5.7, 0},
		{"red pepper", 1, 0.3, 6, 4.2, 2.1, 0}, {"spinach", 2.9, 0.4, 3.6, 0.4, 2.2, 0.2}, {"tomatoes", 0.9, 0.2, 3.9, 2.6, 1.2, 0},
	}, []variant{{"Fresh %s", 1}, {"Organic %s", 1}, {"Frozen %s", 0.97}, {"Roasted %s", 1.4}, {"Sliced %s", 1}}},
	{"grains", "Grains and pasta", 75, []basis{
		{"amaranth", 13.6, 7, 65.3, 1.7, 6.7, 0}, {"barley", 12.5, 2.3, 73.5, 0.8, 17.3, 0}, {"brown rice", 7.5, 2.7, 76.2, 0.7, 3.4, 0},
		{"buckwheat", 13.3, 3.4, 71.5, 0, 10, 0}, {"bulgur", 12.3, 1.3, 75.9, 0.4, 12.5, 0}, {"couscous", 12.8, 0.6, 77.4, 0, 5, 0},
		{"fusilli", 13, 1.5, 74.7, 2.7, 3.2, 0}, {"millet", 11, 4.2, 72.9, 0, 8.5, 0}, {"polenta", 8.1, 3.6, 76.9, 0.6, 7.3, 0.1},
		{"quinoa", 14.1, 6.1, 64.2, 0, 7, 0}, {"spaghetti", 13, 1.5, 74.7, 2.7, 3.2, 0}, {"white rice", 7.1, 0.7, 80, 0.1, 1.3, 0},
	}, []variant{{"Dry %s", 1}, {"Organic %s", 1}, {"Quick-cook %s", 0.98}, {"Ready-cooked %s", 0.36}, {"Seasoned %s", 0.94}}},
	{"bread", "Bread and bakery", 50, []basis{
		{"bagel", 10.5, 1.6, 53, 5.1, 2.3, 1.1}, {"baguette", 9.8, 1.3, 56.4, 3.5, 2.7, 1.4}, {"brioche loaf", 8.5, 13, 48, 12.5, 2.1, 0.9},
		{"ciabatta", 8.9, 3.9, 48.5, 2.4, 2.6, 1.3}, {"crispbread", 8.9, 1.3, 72, 1.3, 15, 1}, {"flatbread", 8.5, 5.4, 50, 2.9, 2.6, 1.2},
		{"focaccia", 8.1, 8.2, 43, 2.2, 2.4, 1.5}, {"oat loaf", 10.4, 4.4, 44, 4.6, 5.6, 1}, {"pitta", 9.1, 1.2, 55.7, 1.3, 2.2, 1},
		{"rye loaf", 8.5, 3.3, 48.3, 3.9, 5.8, 1.3}, {"sourdough loaf", 10.8, 2.4, 51.9, 4.6, 2.2, 1.3}, {"wholemeal loaf", 12.3, 3.5, 43.1, 4.3, 6, 1},
	}, []variant{{"%s", 1}, {"Organic %s", 1}, {"Seeded %s", 1.06}, {"Part-baked %s", 0.93}, {"Toasted %s", 1.12}}},
	{"cereals", "Breakfast cereals", 45, []basis{
		{"almond granola", 11.5, 18, 58, 19, 7.5, 0.2}, {"apple muesli", 9, 5.5, 66, 16, 7.8, 0.1}, {"berry granola", 9.5, 14, 62, 21, 7, 0.2},
		{"bran flakes", 10, 2.1, 67, 14, 15, 0.9}, {"corn flakes", 7.5, 0.9, 84, 8, 3, 1.1}, {"honey hoops", 8, 3.5, 77, 21, 6.5, 0.8},
		{"jumbo oats", 11, 8, 60, 1.1, 9, 0}, {"malted wheats", 10, 1.6, 72, 12, 9, 0.4}, {"nut muesli", 11, 11, 60, 12, 8, 0.1},
		{"puffed rice", 7, 1, 86, 8.5, 1.5, 0.9}, {"rolled oats", 13.2, 6.5, 67.7, 1, 10.1, 0}, {"spelt flakes", 13.5, 3, 65, 2.5, 9.5, 0},
	}, []variant{{"%s", 1}, {"Organic %s", 1}, {"Wholegrain %s", 0.99}, {"Crunchy %s", 1}, {"Toasted %s", 1.02}}},
	{"dairy", "Dairy", 100, []basis{
		{"brie", 20.8, 27.7, 0.5, 0.5, 0, 1.6}, {"cheddar", 24.9, 33.1, 1.3, 0.5, 0, 1.6}, {"cottage cheese", 11.1, 4.3, 3.4, 2.7, 0, 0.9},
		{"feta", 14.2, 21.3, 4.1, 4.1, 0, 2.8}, {"gouda", 24.9, 27.4, 2.2, 2.2, 0, 2}, {"Greek-style yogurt", 9, 5, 4, 4, 0, 0.1},
		{"kefir", 3.8, 3.5, 4.8, 4.6, 0, 0.1}, {"milk", 3.3, 3.6, 4.7, 4.7, 0, 0.1}, {"mozzarella", 22.2, 22.4, 2.2, 1, 0, 1.3},
		{"quark", 12, 4.5, 4, 4, 0, 0.1}, {"ricotta", 11.3, 13, 3, 0.3, 0, 0.2}, {"skyr", 11, 0.2, 4, 4, 0, 0.1},
	}, []variant{{"%s", 1}, {"Organic %s", 1}, {"Lighter %s", 0.85}, {"Lactose-free %s", 0.99}, {"Farmhouse %s", 1.03}}},
	{"legumes", "Beans and pulses", 80, []basis{
		{"black beans", 21.6, 1.4, 62.4, 2.1, 15.5, 0}, {"borlotti beans", 23, 1.2, 60, 3, 24.7, 0}, {"broad beans", 26.1, 1.5, 58.3, 5.7, 25, 0},
		{"butter beans", 21.5, 0.7, 63.4, 8.5, 19, 0}, {"chickpeas", 20.5, 6, 63, 10.7, 12.2, 0.1}, {"edamame", 36.5, 19.9, 30.2, 7.3, 9.3, 0},
		{"green lentils", 24.6, 1.1, 63.4, 2, 10.7, 0}, {"kidney beans", 23.6, 0.8, 60, 2.2, 24.9, 0.1}, {"mung beans", 23.9, 1.2, 62.6, 6.6, 16.3, 0},
		{"red lentils", 23.9, 2.2, 63.1, 2, 10.8, 0}, {"split peas", 23.1, 3.9, 61.6, 3.1, 22.2, 0}, {"white beans", 23.4, 0.9, 60.3, 2.1, 15.2, 0},
	}, []variant{{"Dry %s", 1}, {"Organic %s", 1}, {"%s in water", 0.36}, {"Sprouted %s", 0.4}, {"Roasted %s", 1.02}}},
	{"nuts", "Nuts and seeds", 30, []basis{
		{"almonds", 21.2, 49.9, 21.6, 4.4, 12.5, 0}, {"brazil nuts", 14.3, 67.1, 11.7, 2.3, 7.5, 0}, {"cashews", 18.2, 43.9, 30.2, 5.9, 3.3, 0},
		{"chia seeds", 16.5, 30.7, 42.1, 0, 34.4, 0}, {"flax seeds", 18.3, 42.2, 28.9, 1.6, 27.3, 0.1}, {"hazelnuts", 15, 60.8, 16.7, 4.3, 9.7, 0},
		{"peanuts", 25.8, 49.2, 16.1, 4.7, 8.5, 0}, {"pecans", 9.2, 72, 13.9, 4, 9.6, 0}, {"pistachios", 20.2, 45.3, 27.2, 7.7, 10.6, 0},
		{"pumpkin seeds", 30.2, 49.1, 10.7, 1.4, 6, 0}, {"sunflower seeds", 20.8, 51.5, 20, 2.6, 8.6, 0}, {"walnuts", 15.2, 65.2, 13.7, 2.6, 6.7, 0},
	}, []variant{{"%s", 1}, {"Organic %s", 1}, {"Roasted %s", 1.02}, {"Chopped %s", 1}, {"Honeyed %s", 0.9}}},
	{"fish", "Fish and seafood", 110, []basis{
		{"anchovies", 20.4, 4.8, 0, 0, 0, 0.3}, {"cod", 17.8, 0.7, 0, 0, 0, 0.1}, {"haddock", 16.3, 0.5, 0, 0, 0, 0.5},
		{"herring", 18, 9, 0, 0, 0, 0.2}, {"mackerel", 18.6, 13.9, 0, 0, 0, 0.2}, {"mussels", 11.9, 2.2, 3.7, 0, 0, 0.7},
		{"plaice", 12.4, 1.9, 0, 0, 0, 0.7}, {"prawns", 20.1, 0.5, 0, 0, 0, 0.3}, {"salmon", 20.4, 13.4, 0, 0, 0, 0.1},
		{"sardines", 20.8, 9, 0, 0, 0, 0.3}, {"trout", 20.5, 3.5, 0, 0, 0, 0.1}, {"tuna", 24.4, 0.5, 0, 0, 0, 0.1},
	}, []variant{{"Fresh %s", 1}, {"Frozen %s", 0.98}, {"Smoked %s", 1.15}, {"%s in brine", 1.02}, {"Grilled %s", 1.2}}},
	{"meat", "Meat and poultry", 125, []basis{
		{"beef mince", 20, 10, 0, 0, 0, 0.2}, {"beef sirloin", 22, 7.5, 0, 0, 0, 0.1}, {"chicken breast", 22.5, 2.6, 0, 0, 0, 0.1},
		{"chicken thigh", 19.7, 4.1, 0, 0, 0, 0.2}, {"duck breast", 19.9, 4.3, 0, 0, 0, 0.1}, {"ham", 20.9, 5.5, 1.5, 0, 0, 3},
		{"lamb leg", 20.5, 4.5, 0, 0, 0, 0.2}, {"lamb mince", 16.6, 23.4, 0, 0, 0, 0.1}, {"pork loin", 21.8, 5.7, 0, 0, 0, 0.1},
		{"turkey breast", 23.7, 1.5, 0.1, 0.1, 0, 0.3}, {"veal escalope", 21.3, 2.4, 0, 0, 0, 0.2}, {"venison", 23, 2.4, 0, 0, 0, 0.1},
	}, []variant{{"Fresh %s", 1}, {"Organic %s", 1}, {"Frozen %s", 0.98}, {"Cooked %s", 1.3}, {"Smoked %s", 1.1}}},
	{"snacks", "Snacks", 30, []basis{
		{"apple crisps", 1.9, 0.5, 82, 66, 11, 0}, {"beetroot crisps", 6.5, 32, 43, 30, 14, 0.9}, {"breadsticks", 11.5, 8.5, 70, 2.5, 4, 1.8},
		{"cheese crackers", 11, 28, 52, 3, 2.6, 1.9}, {"corn chips", 6.6, 24, 62, 1.2, 5.1, 0.9}, {"dark chocolate", 7.8, 42.6, 45.9, 24, 10.9, 0.1},
		{"fruit bar", 3, 5.6, 70, 48, 7.4, 0.1}, {"milk chocolate", 7.7, 29.7, 59.4, 51.5, 3.4, 0.2}, {"oatcakes", 10, 18, 60, 2, 8.5, 1.5},
		{"popcorn", 11, 16, 62, 0.9, 13, 0.8}, {"potato crisps", 6.6, 34, 52, 0.4, 4.4, 1.2}, {"rice cakes", 8.2, 2.8, 81, 0.9, 4.2, 0.1},
	}, []variant{{"%s", 1}, {"Organic %s", 1}, {"Mini %s", 1}, {"Lightly salted %s", 0.99}, {"Family-pack %s", 1}}},
	{"drinks", "Drinks", 250, []basis{
		{"almond drink", 0.5, 1.1, 2.4, 2.3, 0.2, 0.1}, {"apple juice", 0.1, 0.1, 11.3, 9.6, 0.2, 0}, {"carrot juice", 0.9, 0.2, 9.3, 3.9, 0.8, 0.2},
		{"cold-brew coffee", 0.1, 0, 0.3, 0, 0, 0}, {"cranberry drink", 0.1, 0.1, 9.2, 8.8, 0.1, 0}, {"ginger cordial", 0.1, 0, 19, 18.5, 0.1, 0},
		{"grape juice", 0.4, 0.1, 14.8, 14.2, 0.2, 0}, {"hibiscus tea", 0, 0, 0.2, 0, 0, 0}, {"lemonade", 0.1, 0, 8.9, 8.6, 0, 0},
		{"oat drink", 1, 1.5, 6.7, 4, 0.8, 0.1}, {"orange juice", 0.7, 0.2, 10.4, 8.4, 0.2, 0}, {"soya drink", 3.3, 1.8, 2.5, 2.2, 0.5, 0.1},
	}, []variant{{"%s", 1}, {"Organic %s", 1}, {"Chilled %s", 1}, {"Concentrated %s", 3}, {"Light %s", 0.7}}},
}
